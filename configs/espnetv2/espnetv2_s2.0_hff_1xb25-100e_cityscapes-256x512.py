# ESPNetv2 s=2.0, EdgeNets, first stage: 512x256, 100 epochs; the author withdrew his number (50.4) of this stage.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/cityscapes_edgenets_512x1024.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(
    data_preprocessor=dict(size=(256, 512)),
    # train_segmentation.py of sacmehta/EdgeNets (5067df1); the unlabelled class weighs nothing
    decode_head=dict(
        loss_decode=dict(
            class_weight=[
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
        )
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.25, 0.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(256, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(512, 256), keep_ratio=False, backend='pillow'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=25, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
