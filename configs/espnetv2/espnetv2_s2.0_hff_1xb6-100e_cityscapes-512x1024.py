# ESPNetv2 s=2.0, EdgeNets zoo, Cityscapes 512x1024: mIoU 66.4 (val), 66.2 (test); second stage.
# It starts from the first stage (load_from=FILE of espnetv2_s2.0_hff_1xb25-...) with frozen BatchNorm statistics; the
# recipe also freezes those of the decoder.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/cityscapes_edgenets_512x1024.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(backbone=dict(norm_eval=True), decode_head=dict(loss_decode=dict(class_weight=_base_.class_weight)))
optim_wrapper = dict(optimizer=dict(lr=0.005))
