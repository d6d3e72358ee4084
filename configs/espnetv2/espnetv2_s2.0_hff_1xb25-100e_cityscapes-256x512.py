# ESPNetv2 s=2.0, EdgeNets, first stage: 256x512, 100 epochs; the author withdrew his number (50.4) of this stage.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/cityscapes_edgenets_256x512.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(loss_decode=dict(class_weight=_base_.class_weight)),
)
