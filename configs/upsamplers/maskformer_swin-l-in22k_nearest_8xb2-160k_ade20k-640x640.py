# MaskFormer Swin-L on ADE20K: published mIoU 54.10 (DySample, restated).
_base_ = [
    '../_base_/models/maskformer_swin-b-in22k.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/maskformer_swin_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
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
