# MaskFormer Swin-L on ADE20K: published mIoU 54.10 (DySample, restated).
_base_ = './maskformer_swin-b-in22k_nearest_8xb2-160k_ade20k-640x640.py'
model = dict(
    backbone=dict(
        embed_dims=192,
        num_heads=[6, 12, 24, 48],
        init_cfg=dict(
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/'
            'swin_large_patch4_window12_384_22k_20220412-6580f57d.pth'
        ),
    ),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
)
