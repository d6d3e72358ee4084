# Cityscapes as Mask2Former reads it: the short side drawn from 0.5 to 2 times its size, two images a GPU.
# mmsegmentation's port draws a crop again where one class fills 75 % of it (cat_max_ratio), the authors' does not.
_base_ = './cityscapes_512x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomChoiceResize',  # the short side, 0.5 to 2 times 1024
        scales=[int(102.4 * x) for x in range(5, 21)],
        resize_type='ResizeShortestEdge',
        max_size=4096,
    ),
    dict(type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
