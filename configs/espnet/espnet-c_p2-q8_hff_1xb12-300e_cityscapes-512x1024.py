# ESPNet-C (ECCV 2018), p=2, q=8, first stage of the training: Cityscapes val mIoU 53.3 (author).
_base_ = [
    '../_base_/models/espnet-c.py',
    '../_base_/datasets/cityscapes_espnet_512x1024.py',
    '../_base_/schedules/espnet_300e.py',
    '../_base_/default_runtime_epochs.py',
]
