# As mask2former_160k.py, for Cityscapes.
_base_ = './mask2former_160k.py'
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=90000)]
train_cfg = dict(max_iters=90000)
