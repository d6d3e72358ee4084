# ESPNet, p=2, q=3: poster row 'Encoder + IR + LWD', mIoU 0.56 with 0.202 M parameters; starts from ESPNet-C.
_base_ = './espnet_p2-q8_hff_1xb6-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 3)))
