# ESPNet-C, p=2, q=3 without image reinforcement: poster row "Encoder", mIoU 0.47 with 0.186 M parameters.
_base_ = './espnet-c_p2-q8_hff_1xb12-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 3), image_reinforcement=False))
