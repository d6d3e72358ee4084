# ADE20K as SegNeXt reads it: 16 images a GPU, tested at multiples of 32.
_base_ = './ade20k_512x512.py'
train_dataloader = dict(batch_size=16, num_workers=8)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='ResizeToMultiple', size_divisor=32),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
