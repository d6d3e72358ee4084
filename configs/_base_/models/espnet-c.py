# ESPNet-C: the encoder and a 1x1 convolution, trained at an eighth of the size.
_base_ = './espnet.py'
model = dict(
    decode_head=dict(
        _delete_=True,
        type='ESPNetCHead',
        in_channels=256,
        in_index=2,
        channels=256,
        num_classes=20,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    )
)
