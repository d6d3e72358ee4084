# UPerNet Swin-T on ADE20K, mmsegmentation's recipe: the baseline of ReSFU's row (arXiv 2407.02283).
_base_ = [
    '../_base_/models/upernet_swin-t.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/seg_adamw_swin_160k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=2, num_workers=2)
