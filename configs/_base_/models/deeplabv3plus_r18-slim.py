# The DeepLabV3+ of the same folder on a narrow ResNet-18 from scratch, for Shapes.
_base_ = './deeplabv3plus_r50.py'
model = dict(
    backbone=dict(depth=18, base_channels=16, init_cfg=None),
    decode_head=dict(
        in_channels=128,
        channels=32,
        dilations=(1, 2, 4, 6),
        c1_in_channels=16,
        c1_channels=16,
        dropout_ratio=0.0,
        num_classes=12,
        norm_cfg=dict(type='BN'),
    ),
)
