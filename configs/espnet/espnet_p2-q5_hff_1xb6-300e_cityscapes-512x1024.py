# ESPNet, p=2, q=5: weights are released, its number is not in the README's table; starts from ESPNet-C.
_base_ = './espnet_p2-q8_hff_1xb6-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 5)))
