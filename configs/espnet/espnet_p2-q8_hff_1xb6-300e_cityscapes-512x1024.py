# ESPNet (ECCV 2018), p=2, q=8, second stage: Cityscapes test mIoU 60.336 (README), val 61.4 (author).
# It starts from ESPNet-C (espnet-c_p2-q8_hff_..., trained or converted): --cfg-options load_from=FILE.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/cityscapes_espnet_512x1024.py',
    '../_base_/schedules/espnet_300e.py',
    '../_base_/default_runtime_epochs.py',
]
train_dataloader = dict(batch_size=6)
