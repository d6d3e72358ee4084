# CamVid: ESPNet-C from scratch, without hierarchical fusion, the branches concatenated as they are; the baseline.
_base_ = ['../../../configs/_base_/models/espnet-c.py', './camvid_study.py']
model = dict(
    data_preprocessor=dict(_delete_=True, **_base_.data_preprocessor),
    backbone=dict(depths=(2, 3), chain='none'),
    decode_head=dict(num_classes=11, ignore_index=11, downsample_labels=False),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3), paramwise_cfg=None)
