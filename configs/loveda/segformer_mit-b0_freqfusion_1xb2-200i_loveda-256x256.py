# A trial of a few minutes on two CPU cores: LoveDA in 256 crops, a narrower head, no download.
_base_ = './segformer_mit-b0_freqfusion_1xb4-80k_loveda-512x512.py'
model = dict(data_preprocessor=dict(size=(256, 256)), backbone=dict(init_cfg=None), decode_head=dict(channels=64))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='RandomCrop', crop_size=(256, 256), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=6e-4), paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=20, end=200),
]
train_cfg = dict(max_iters=200, val_interval=100)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100), visualization=dict(draw=True, interval=1))
