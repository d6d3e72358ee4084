# VGG-13 with BatchNorm for CIFAR-100: five poolings, 32x32 pixels to one, and a linear classifier.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClsDataPreprocessor',
        num_classes=100,
        mean=[129.304, 124.070, 112.434],
        std=[68.170, 65.392, 70.418],
        to_rgb=False,
    ),  # mmpretrain reads CIFAR's pictures as RGB
    backbone=dict(type='PooledVGG', depth=13, pool_cfg=dict(type='max')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=100,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5),
    ),
)
