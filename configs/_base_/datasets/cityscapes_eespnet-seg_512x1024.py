# Cityscapes as the CVPR code of ESPNetv2 reads it: as ESPNet does, but for one of the sizes, ten images a GPU.
_base_ = './cityscapes_espnet_512x1024.py'
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
    dict(type='RandomCrop', crop_size=_base_.crop_size),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=10, dataset=dict(dataset=dict(pipeline=train_pipeline)))
