# Cityscapes as EdgeNets reads it: images resized to 512x1024 by Pillow; training crops of random scale.
data_root = 'data/cityscapes/'
crop_size = (512, 1024)
# train_segmentation.py of sacmehta/EdgeNets (5067df1); the unlabelled class weighs nothing
class_weight = [
    2.8149201869965,
    6.9850029945374,
    3.7890393733978,
    9.9428062438965,
    9.7702074050903,
    9.5110931396484,
    10.311357498169,
    10.026463508606,
    4.6323022842407,
    9.5608062744141,
    7.8698215484619,
    9.5168733596802,
    10.373730659485,
    6.6616044044495,
    10.260489463806,
    10.287888526917,
    10.289801597595,
    10.405355453491,
    10.138095855713,
    0.0,
]
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.35, 1.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=False, backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=6,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=train_pipeline,
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
