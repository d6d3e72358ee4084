# ReSFU (arXiv 2407.02283), Segmenter-S on ADE20K, the baseline: bilinear x4 before the classifier.
_base_ = [
    '../_base_/models/segmenter_vit-s.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/seg_sgd_160k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=1, num_workers=2)
