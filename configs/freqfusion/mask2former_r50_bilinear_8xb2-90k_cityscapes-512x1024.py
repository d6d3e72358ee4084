# FreqFusion (TPAMI 2024), Mask2Former on Cityscapes, row R50 (its value is not public; the
# baseline's own model zoo: mIoU 79.4).
_base_ = [
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/mask2former_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    decode_head=dict(num_classes=19, loss_cls=dict(class_weight=[1.0] * 19 + [0.1])),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomChoiceResize',  # the short side, 0.5 to 2 times 1024
        scales=[int(102.4 * x) for x in range(5, 21)],
        resize_type='ResizeShortestEdge',
        max_size=4096,
    ),
    dict(type='RandomCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
