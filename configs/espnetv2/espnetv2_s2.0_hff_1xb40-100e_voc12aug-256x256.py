# ESPNetv2 s=2.0, EdgeNets zoo, PASCAL VOC 2012 val 256x256: mIoU 63.36; first stage.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/voc12aug_edgenets_384x384.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(data_preprocessor=dict(size=(256, 256)), decode_head=dict(num_classes=21))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(256, 256), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(256, 256)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), keep_ratio=False, backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=40, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
