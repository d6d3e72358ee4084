# ESPNet, p=2, q=5: weights are released, its number is not in the README's table; starts from ESPNet-C.
_base_ = './espnet_p2_q8_cityscapes.py'
model = dict(backbone=dict(depths=(2, 5)))
