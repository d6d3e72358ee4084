# BCCD (blood cells): YOLOX-Nano from the COCO weights, its own neck upsampling by nearest; the baseline.
_base_ = ['../../../configs/_base_/models/yolox-nano.py', '../../../configs/_base_/default_runtime_det.py']
data_root = '{{$BCCD_ROOT:data/bccd}}/'
load_from = '{{$BCCD_PRETRAINED:data/pretrained/yolox_nano_coco.pth}}'
metainfo = dict(classes=('RBC', 'WBC', 'Platelets'), palette=[(220, 20, 60), (65, 105, 225), (255, 200, 0)])
model = dict(bbox_head=dict(num_classes=3))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=(640, 480), ratio_range=(0.7, 1.4), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(416, 416)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=(416, 416), pad_val=dict(img=(114.0, 114.0, 114.0))),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(640, 480), keep_ratio=True),  # their own size, amid those of training
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
dataset = dict(type='CocoDataset', data_root=data_root, data_prefix=dict(img='JPEGImages/'), metainfo=metainfo)
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=8,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(ann_file='train.json', pipeline=train_pipeline, **dataset),
    **loader,
)
val_dataloader = dict(
    batch_size=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file='val.json', test_mode=True, pipeline=test_pipeline, **dataset),
    **loader,
)
test_dataloader = dict(
    batch_size=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file='test.json', test_mode=True, pipeline=test_pipeline, **dataset),
    **loader,
)
val_evaluator = dict(type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox')
test_evaluator = dict(type='CocoMetric', ann_file=data_root + 'test.json', metric='bbox')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, custom_keys=dict(fusions=dict(lr_mult=1.0))),
    clip_grad=dict(max_norm=35.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=12, T_max=12, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=12)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(  # runs of minutes are never resumed
    _delete_=True,
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=12, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DetVisualizationHook'),
)
custom_hooks = []
randomness = dict(seed=0)
data_help = 'put BCCD into data/bccd (or its folder into $BCCD_ROOT) and run projects/bccd/make_coco.py on it'
