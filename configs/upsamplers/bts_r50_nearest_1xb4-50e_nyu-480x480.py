# SAPA (NeurIPS 2022) README, depth: BTS R50 on NYU Depth v2, row Nearest: d1 0.865, AbsRel 0.119, RMS 0.419. Crop and
# augmentation are this repository's, the loss weighs the mean by 0.5 (BTS: 0.85).
_base_ = [
    '../_base_/models/bts_r50.py',
    '../_base_/datasets/nyu_480x480.py',
    '../_base_/schedules/depth_bts_50e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
train_dataloader = dict(batch_size=4, sampler=dict(type='DefaultSampler'))
