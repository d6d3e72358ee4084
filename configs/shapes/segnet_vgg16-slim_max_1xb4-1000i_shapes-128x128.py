# Shapes, semantic segmentation: a narrow SegNet, sized for a CPU core; the baseline, max pooling and unpooling.
_base_ = [
    '../_base_/models/segnet_vgg16.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1000i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(base_channels=16, init_cfg=None),
    decode_head=dict(in_channels=16, channels=16, num_classes=12),
)
train_dataloader = dict(batch_size=4)
