# UPerNet R50 on ADE20K, no row of FreqFusion (TPAMI 2024): its segmentation schedule (AdamW 6e-5,
# 160k iterations) with mmsegmentation's UPerNet. SAPA's extension publishes mIoU 41.09.
_base_ = [
    '../_base_/models/upernet_r50.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4, num_workers=4)
