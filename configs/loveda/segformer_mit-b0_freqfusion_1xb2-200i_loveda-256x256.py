# A trial of a few minutes on two CPU cores: LoveDA in 256 crops, a narrower head, no download.
_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/upsamplers/freqfusion_segformer.py',
    '../_base_/datasets/loveda_256x256.py',
    '../_base_/schedules/seg_adamw_200i.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(init_cfg=None),
    decode_head=dict(channels=64, upsample_cfg=_base_.upsample_cfg),
)
auto_scale_lr = dict(base_batch_size=2)
