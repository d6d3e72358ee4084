# SegFormer-B0 for LoveDA's 7 classes, on one GPU: the B1 of the same folder, narrower.
_base_ = './segformer_mit-b1.py'
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
