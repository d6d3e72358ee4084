# UPerNet R50 on ADE20K: published mIoU 41.09 (SAPA extension README). Its recipe is mmsegmentation's of 80k
# iterations, by a config of tiny-smart/segmentation-with-upsamplers (d5466c8); no row of FreqFusion (TPAMI 2024).
_base_ = [
    '../_base_/models/upernet_r50.py',
    '../_base_/datasets/ade20k_aligned_512x512.py',
    '../_base_/schedules/seg_sgd_80k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4, num_workers=4)
