# ESPNet-C, p=2, q=5; the first stage of espnet_p2-q5_hff_1xb6-300e_cityscapes-512x1024; no published number.
_base_ = './espnet-c_p2-q8_hff_1xb12-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 5)))
