# As seg_adamw_160k.py, a trial of a few minutes on two CPU cores.
_base_ = './seg_adamw_160k.py'
optim_wrapper = dict(optimizer=dict(lr=6e-4), paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=20, end=200),
]
train_cfg = dict(max_iters=200, val_interval=100)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100), visualization=dict(draw=True, interval=1))
