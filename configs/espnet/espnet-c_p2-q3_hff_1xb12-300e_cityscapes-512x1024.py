# ESPNet-C, p=2, q=3: poster row 'Encoder + input reinforcement', mIoU 0.49 with 0.187 M parameters.
_base_ = './espnet-c_p2-q8_hff_1xb12-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 3)))
