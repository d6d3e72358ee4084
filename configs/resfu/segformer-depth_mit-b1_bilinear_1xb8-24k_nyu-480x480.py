# Monocular depth on NYU with SegFormer-B1's pyramid: the baseline (no published table).
_base_ = [
    '../_base_/models/segformer-depth_mit-b1.py',
    '../_base_/datasets/nyu_480x480.py',
    '../_base_/schedules/depth_adamw_24k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
