# As seg_shapes_1000i.py, for narrow ResNets: a higher rate and half as long again.
_base_ = './seg_shapes_1000i.py'
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=50, end=1500),
]
train_cfg = dict(max_iters=1500)
