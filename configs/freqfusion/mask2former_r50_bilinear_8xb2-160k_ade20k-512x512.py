# Mask2Former R50 on ADE20K, the baseline's own model zoo: mIoU 47.2. No row of FreqFusion.
_base_ = [
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/ade20k_mask2former_512x512.py',
    '../_base_/schedules/mask2former_160k.py',
    '../_base_/default_runtime.py',
]
