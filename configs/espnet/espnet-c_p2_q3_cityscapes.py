# ESPNet-C, p=2, q=3: poster row 'Encoder + input reinforcement', mIoU 0.49 with 0.187 M parameters.
_base_ = './espnet-c_p2_q8_cityscapes.py'
model = dict(backbone=dict(depths=(2, 3)))
