# FreqFusion (TPAMI 2024), Mask2Former on Cityscapes, row R50 (its value is not public; the
# baseline's own model zoo: mIoU 79.4).
_base_ = [
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/cityscapes_mask2former_512x1024.py',
    '../_base_/schedules/mask2former_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=19, loss_cls=dict(class_weight=[1.0] * 19 + [0.1])),
)
