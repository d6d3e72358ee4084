# CamVid, SegNet's splits at 480x360, crops of 240x320 for small machines: 11 classes; void (11) is neither trained nor
# evaluated. Images are tested whole. Of the 233 test images 171 (Seq05VD) are a drive that no training image is from.
_base_ = './camvid_espnet.py'
data_preprocessor = dict(
    _delete_=True,
    type='SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=11,
    size=(240, 320),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(240, 320)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='train', seg_map_path='trainannot'),
        img_suffix='.png',
        metainfo=_base_.metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
