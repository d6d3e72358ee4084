# CamVid: ESPNet-C from scratch, without hierarchical fusion, the branches concatenated as they are; the baseline.
_base_ = ['../../../configs/_base_/models/espnet-c.py', './camvid_study.py']
model = dict(
    data_preprocessor=dict(_delete_=True, **_base_.data_preprocessor),
    backbone=dict(depths=(2, 3), chain='none'),
    decode_head=dict(num_classes=11, ignore_index=11, downsample_labels=False),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=None)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=100, end=3000),
]
train_cfg = dict(max_iters=3000, val_interval=3000)
