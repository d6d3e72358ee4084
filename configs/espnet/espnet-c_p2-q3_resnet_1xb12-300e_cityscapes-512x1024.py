# ESPNet-C, p=2, q=3, with ResNet units in place of ESP: poster row ResNet, 1.200 M, mIoU about 54.
# How the unit is built is our reading (layers/hierarchical/units.py).
_base_ = './espnet-c_p2-q8_hff_1xb12-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 3), unit='resnet'))
