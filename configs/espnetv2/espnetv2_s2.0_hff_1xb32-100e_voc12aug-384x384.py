# ESPNetv2 s=2.0, EdgeNets zoo, PASCAL VOC 2012 384x384: mIoU 67.01 (val), 67.95 (test); second stage.
# It starts from the first stage (load_from=FILE) with frozen BatchNorm statistics; the recipe freezes the decoder's
# too.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/voc12aug_edgenets_384x384.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), backbone=dict(norm_eval=True), decode_head=dict(num_classes=21)
)
optim_wrapper = dict(optimizer=dict(lr=0.005))
