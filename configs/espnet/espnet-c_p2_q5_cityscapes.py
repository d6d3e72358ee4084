# ESPNet-C, p=2, q=5; the first stage of espnet_p2_q5_cityscapes; no published number.
_base_ = './espnet-c_p2_q8_cityscapes.py'
model = dict(backbone=dict(depths=(2, 5)))
