# ESPNetv2 s=2.0, EdgeNets zoo, PASCAL VOC 2012 val 256x256: mIoU 63.36; first stage.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/voc12aug_edgenets_256x256.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=21))
