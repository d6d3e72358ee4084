# Cityscapes as ESPNet reads it: 512x1024, no rounding after the resize, the unlabelled as class 19.
# The author trains five passes an epoch, each at one size; here every image draws its size, which needs the crop.
# His flip is vertical, whatever his comment says.
data_root = 'data/cityscapes/'
crop_size = (512, 1024)
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
    dict(type='RandomCrop', crop_size=crop_size),
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
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='RepeatDataset',
        times=5,
        dataset=dict(
            type='CityscapesDataset',
            data_root=data_root,
            data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
custom_hooks = [
    dict(
        type='DatasetCheck',
        data_root=data_root,
        required=['leftImg8bit/val', 'gtFine/val'],
        remedy='Download leftImg8bit and gtFine (registration needed), unpack or link them there, '
        'and make the train ids with mmseg: tools/dataset_converters/cityscapes.py',
    )
]
