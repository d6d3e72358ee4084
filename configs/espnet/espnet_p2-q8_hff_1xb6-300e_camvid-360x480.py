# ESPNet (ECCV 2018), README table, CamVid test: mIoU 55.64; 354517 parameters; starts from ESPNet-C.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/camvid_espnet.py',
    '../_base_/schedules/espnet_300e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor,
    backbone=dict(fine_map='reinforced'),
    decode_head=dict(in_channels=[19, 131, 256], channels=12, num_classes=12),
)
