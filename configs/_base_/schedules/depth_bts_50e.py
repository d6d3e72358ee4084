# BTS's optimizer: AdamW 1e-4, decay on the encoder alone, polynomial to a tenth over 50 epochs; the best by RMSE.
_base_ = './espnet_300e.py'
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, eps=1e-6, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(decay_mult=0.0))),
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=50, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=50, val_interval=5)
default_hooks = dict(checkpoint=dict(interval=5, save_best='rmse', rule='less'))
