# As seg_adamw_160k.py for monocular depth: 24,000 iterations with 8 images, the best by RMSE.
_base_ = './seg_adamw_160k.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=1500, end=24000),
]
train_cfg = dict(max_iters=24000, val_interval=2400)
default_hooks = dict(checkpoint=dict(interval=2400, save_best='rmse', rule='less'))
auto_scale_lr = dict(base_batch_size=8)
