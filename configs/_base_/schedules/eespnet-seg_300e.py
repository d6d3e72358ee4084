# The CVPR code's recipe: Adam, 5e-4, poly to zero with power 0.9, 300 epochs.
_base_ = './espnet_300e.py'
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=True, begin=0, end=300)]
