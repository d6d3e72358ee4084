# Monocular depth on NYU with SegFormer-B1's pyramid: the baseline (no published table).
_base_ = [
    '../_base_/models/segformer_mit-b1.py',
    '../_base_/datasets/nyu_480x480.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='DepthEstimator',
    data_preprocessor=dict(size=(480, 480), seg_pad_val=0),
    decode_head=dict(
        _delete_=True,
        type='FusionDepthHead',
        upsample_cfg=dict(type='bilinear'),
        in_channels=[64, 128, 320, 512],
        in_index=[0, 1, 2, 3],
        channels=256,
        dropout_ratio=0.1,
        max_depth=10.0,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='SiLogLoss', loss_weight=1.0),
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=1500, end=24000),
]
train_cfg = dict(max_iters=24000, val_interval=2400)
default_hooks = dict(checkpoint=dict(interval=2400, save_best='rmse', rule='less'))
auto_scale_lr = dict(base_batch_size=8)
