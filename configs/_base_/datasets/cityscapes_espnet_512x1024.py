# Cityscapes as ESPNet reads it: 1024x512, no rounding after the resize, the unlabelled as class 19.
# The author trains five passes an epoch, each at one size; here every image draws its size, which needs the crop.
# His flip is vertical, whatever his comment says.
_base_ = './cityscapes_512x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),
    dict(type='LoadAnnotations'),
    dict(type='LabelIgnored', label=19),
    dict(
        type='RandomChoiceResize',
        scales=[(1536, 768), (1280, 720), (512, 256), (768, 384), (1024, 512)],
        keep_ratio=False,
        resize_type='Resize',
    ),
    dict(type='RandomCrop', crop_size=(512, 1024)),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),
    dict(type='Resize', scale=(1024, 512), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=12,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=5,
        dataset=dict(
            type='CityscapesDataset',
            data_root=_base_.data_root,
            data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
