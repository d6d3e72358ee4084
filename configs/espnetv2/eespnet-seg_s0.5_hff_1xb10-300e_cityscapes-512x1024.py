# ESPNetv2 s=0.5 with the CVPR code's decoder, Cityscapes: mIoU 54.7, 99 K parameters.
_base_ = [
    '../_base_/models/eespnet-seg.py',
    '../_base_/datasets/cityscapes_eespnet-seg_512x1024.py',
    '../_base_/schedules/eespnet-seg_300e.py',
    '../_base_/default_runtime_epochs.py',
]
