# ESPNet-C on CamVid, p=2, q=8: the first stage of espnet_p2-q8_hff_1xb6-300e_camvid-360x480; no published number.
_base_ = [
    '../_base_/models/espnet-c.py',
    '../_base_/datasets/camvid_espnet.py',
    '../_base_/schedules/espnet_300e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(
    data_preprocessor=_base_.data_preprocessor, backbone=dict(fine_map='reinforced'), decode_head=dict(num_classes=12)
)
train_dataloader = dict(batch_size=12)
