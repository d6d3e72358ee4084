# SegFormer-B0 on LoveDA, the baseline; not from a paper.
_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/loveda_512x512.py',
    '../_base_/schedules/seg_adamw_80k.py',
    '../_base_/default_runtime.py',
]
auto_scale_lr = dict(base_batch_size=4)
