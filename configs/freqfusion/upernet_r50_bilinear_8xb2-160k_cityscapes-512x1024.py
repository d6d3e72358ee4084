# FreqFusion (TPAMI 2024), Table IV, row UPerNet, Cityscapes. The paper's schedule (AdamW 6e-5, 160k
# iterations); backbone, crop and batch size are not stated in public: backbone and crop of
# mmsegmentation's UPerNet are taken, and 16 images.
_base_ = [
    '../_base_/models/upernet_r50.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=19), auxiliary_head=dict(num_classes=19)
)
