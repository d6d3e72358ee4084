# A narrow ResNet-18 from scratch, for the single things of Shapes.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClsDataPreprocessor', num_classes=8, mean=[127.5, 127.5, 127.5], std=[64.0, 64.0, 64.0], to_rgb=True
    ),
    backbone=dict(type='PooledResNet', depth=18, base_channels=16, out_indices=(3,)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=8, in_channels=128, loss=dict(type='CrossEntropyLoss', loss_weight=1.0)
    ),
)
