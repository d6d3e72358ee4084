# FreqFusion (TPAMI 2024), Mask2Former table, row Bilinear, Swin-B: ADE20K mIoU 53.9.
_base_ = [
    '../_base_/models/mask2former_swin-b-in22k.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/mask2former_swin_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
