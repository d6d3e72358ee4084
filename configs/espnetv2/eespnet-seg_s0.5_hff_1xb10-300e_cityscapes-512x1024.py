# ESPNetv2 s=0.5 with the CVPR code's decoder, Cityscapes: mIoU 54.7, 99 K parameters.
_base_ = [
    '../_base_/models/eespnet-seg.py',
    '../_base_/datasets/cityscapes_espnet_512x1024.py',
    '../_base_/schedules/eespnet-seg_300e.py',
    '../_base_/default_runtime_epochs.py',
]
train_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),
    dict(type='LoadAnnotations'),
    dict(type='LabelIgnored', label=19),
    dict(
        type='RandomChoiceResize',
        scales=[(1536, 768), (1280, 640), (512, 256), (768, 384), (1024, 512)],
        keep_ratio=False,
        resize_type='Resize',
    ),
    dict(type='RandomCrop', crop_size=(512, 1024)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=10, dataset=dict(dataset=dict(pipeline=train_pipeline)))
