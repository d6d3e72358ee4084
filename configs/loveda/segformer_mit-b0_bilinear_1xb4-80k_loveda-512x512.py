# SegFormer-B0 on LoveDA, the baseline; not from a paper.
_base_ = [
    '../_base_/models/segformer_mit-b1.py',
    '../_base_/datasets/loveda_512x512.py',
    '../_base_/schedules/seg_adamw_80k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        embed_dims=32,
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/'
            'mit_b0_20220624-7e0fe6dd.pth'
        ),
    ),
    decode_head=dict(in_channels=[32, 64, 160, 256], num_classes=7, norm_cfg=dict(_delete_=True, type='BN')),
)
