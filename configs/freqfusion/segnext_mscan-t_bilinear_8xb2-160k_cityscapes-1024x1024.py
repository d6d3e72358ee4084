# FreqFusion (TPAMI 2024), Tables IV and VI, row SegNeXt-T, Cityscapes: SegNeXt's own mIoU 79.8. Crop and images a GPU
# of the released data set config; the number of GPUs is ours; tested in windows, as SegNeXt's own config does.
_base_ = [
    '../_base_/models/segnext_mscan-t.py',
    '../_base_/datasets/cityscapes_segnext_1024x1024.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(norm_cfg=dict(type='SyncBN', requires_grad=True)),  # the author's; one GPU has two images
    decode_head=dict(num_classes=19),
    test_cfg=dict(mode='slide', crop_size=_base_.crop_size, stride=(768, 768)),
)
