# ADE20K tested at multiples of 32: SegNeXt's, and by the logs and configs of FADE, SAPA and SAPA-D their SegFormer and
# UPerNet, too.
_base_ = './ade20k_512x512.py'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='ResizeToMultiple', size_divisor=32),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
