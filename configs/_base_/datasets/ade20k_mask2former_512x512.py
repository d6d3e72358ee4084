# ADE20K as Mask2Former reads it: the short side drawn from 0.5 to 2 times its size, two images a GPU.
# mmsegmentation's port draws a crop again where one class fills 75 % of it (cat_max_ratio), the authors' does not.
_base_ = './ade20k_512x512.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(
        type='RandomChoiceResize',  # the short side, 0.5 to 2 times 512
        scales=[int(51.2 * x) for x in range(5, 21)],
        resize_type='ResizeShortestEdge',
        max_size=2048,
    ),
    dict(type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
