# CamVid, SegNet's splits at 480x360: 11 classes, and void (11), which is trained on but not evaluated.
data_root = '{{$CAMVID_ROOT:data/camvid}}/'
# The author's loadData.py computes mean and std from the train split (BGR: means of the images' values) and divides by
# 255 afterwards, which the std takes up here. His weights need them: with Cityscapes' they fall from 57.2 to 16.9.
data_preprocessor = dict(
    mean=[110.33102643, 108.40886315, 105.03319369],
    std=[72.12571015 * 255, 72.69074534 * 255, 69.90434816 * 255],
    size=(360, 480),
)
metainfo = dict(
    classes=('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car', 'pedestrian', 'bicyclist'),
    palette=[
        [128, 128, 128],
        [128, 0, 0],
        [192, 192, 128],
        [128, 64, 128],
        [60, 40, 222],
        [128, 128, 0],
        [192, 128, 128],
        [64, 64, 128],
        [64, 0, 128],
        [64, 64, 0],
        [0, 128, 192],
    ],
)
train_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),
    dict(type='LoadAnnotations'),
    dict(
        type='RandomChoiceResize',
        scales=[(720, 540), (600, 450), (240, 180), (360, 270), (480, 360)],
        keep_ratio=False,
        resize_type='Resize',
    ),
    dict(type='RandomCrop', crop_size=(360, 480)),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),
    dict(type='Resize', scale=(480, 360), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=6,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='RepeatDataset',
        times=5,
        dataset=dict(
            type='BaseSegDataset',
            data_root=data_root,
            data_prefix=dict(img_path='train', seg_map_path='trainannot'),
            img_suffix='.png',
            metainfo=metainfo,
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
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='val', seg_map_path='valannot'),
        img_suffix='.png',
        metainfo=metainfo,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader,
    dataset=dict(val_dataloader['dataset'], data_prefix=dict(img_path='test', seg_map_path='testannot')),
)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=11)
test_evaluator = val_evaluator
data_help = (
    "put train, trainannot, val, valannot, test and testannot of the SegNet tutorial's CamVid into data/camvid, or "
    'name their folder in $CAMVID_ROOT'
)
