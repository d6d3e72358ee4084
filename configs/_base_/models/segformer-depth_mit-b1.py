# The SegFormer-B1 of the same folder with a head for depth, up to 10 m.
_base_ = './segformer_mit-b1.py'
model = dict(
    type='DepthEstimator',
    data_preprocessor=dict(seg_pad_val=0),
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
