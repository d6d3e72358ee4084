# Shapes, classification of single things (mmpretrain), 8 classes, 48x48; sized for two CPU cores. See projects/shapes.
# SHAPES_CLASSIFICATION_ROOT in the environment names another folder.
data_root = '{{$SHAPES_CLASSIFICATION_ROOT:data/shapes-classification/}}'
classes = (
    'comb',
    'crescent',
    'cross',
    'gear',
    'ladder',
    'ring',
    'spiral',
    'star',
)  # mmpretrain numbers folders by name
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_root=data_root,
        data_prefix='train',
        classes=classes,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomCrop', crop_size=48, padding=4, padding_mode='reflect'),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='PackInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset',
        data_root=data_root,
        data_prefix='val',
        classes=classes,
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=1)
test_evaluator = val_evaluator
custom_hooks = [
    dict(
        type='DatasetCheck',
        data_root=data_root,
        version='shapes-classification-1',
        remedy=f'Write it with: python projects/shapes/make_classification.py {data_root} --overwrite',
    )
]
