# ESPNet-C, p=2, q=3, with ShuffleNet units in place of ESP: poster row ShuffleNet, 0.181 M, mIoU about 37.
# How the unit is built is our reading (layers/hierarchical/units.py).
_base_ = './espnet-c_p2-q8_hff_1xb12-300e_cityscapes-512x1024.py'
model = dict(backbone=dict(depths=(2, 3), unit='shufflenet'))
