# FreqFusion (TPAMI 2024), Table VI, row SegNeXt-T, COCO-Stuff. The paper's schedule of 80k iterations; mmsegmentation's
# 171 classes; 16 images are ours (four a GPU in the released data set config, of an unstated number of GPUs).
_base_ = [
    '../_base_/models/segnext_mscan-t.py',
    '../_base_/datasets/coco_stuff164k_512x512.py',
    '../_base_/schedules/seg_adamw_80k.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=171))
