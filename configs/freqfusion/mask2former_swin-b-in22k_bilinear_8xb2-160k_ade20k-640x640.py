# FreqFusion (TPAMI 2024), Mask2Former table, row Bilinear, Swin-B: ADE20K mIoU 53.9.
_base_ = [
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/mask2former_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(640, 640)),
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        pretrain_img_size=384,
        embed_dims=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        window_size=12,
        drop_path_rate=0.3,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/'
            'swin_base_patch4_window12_384_22k_20220317-e5c09f74.pth',
        ),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
)
# No weight decay in the backbone's norms and position tables, on top of its lr x0.1.
no_decay = dict(lr_mult=0.1, decay_mult=0.0)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.patch_embed.norm': no_decay,
            'backbone.norm': no_decay,
            '.norm1.weight': no_decay,
            '.norm1.bias': no_decay,
            '.norm2.weight': no_decay,
            '.norm2.bias': no_decay,
            '.downsample.norm': no_decay,
            'absolute_pos_embed': no_decay,
            'relative_position_bias_table': no_decay,
        }
    )
)
