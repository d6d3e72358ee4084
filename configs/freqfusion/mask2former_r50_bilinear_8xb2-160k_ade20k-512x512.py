# Mask2Former R50 on ADE20K, the baseline's own model zoo: mIoU 47.2. No row of FreqFusion.
_base_ = [
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/mask2former_160k.py',
    '../_base_/default_runtime.py',
]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(
        type='RandomChoiceResize',  # the short side, 0.5 to 2 times 512
        scales=[int(51.2 * x) for x in range(5, 21)],
        resize_type='ResizeShortestEdge',
        max_size=2048,
    ),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
