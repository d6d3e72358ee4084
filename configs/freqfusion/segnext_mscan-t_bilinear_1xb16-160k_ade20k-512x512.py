# FreqFusion (TPAMI 2024), Table VI, row SegNeXt-T: ADE20K mIoU 41.1, 4.26 M parameters.
_base_ = [
    '../_base_/models/segnext_mscan-t.py',
    '../_base_/datasets/ade20k_aligned_512x512.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
