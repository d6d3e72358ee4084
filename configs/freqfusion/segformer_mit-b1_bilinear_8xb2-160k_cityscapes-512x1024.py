# FreqFusion (TPAMI 2024), Table IV, row SegFormer, Cityscapes; its backbone, crop and batch size are not stated in
# public: the backbone and the 16 images are those of the paper's SegFormer on ADE20K, crop and whole images at test are
# ours (SegFormer's own paper has crops of 1024x1024, tested in windows).
_base_ = [
    '../_base_/models/segformer_mit-b1.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=19))
