# MaskFormer Swin-B on ADE20K: published mIoU 52.70, 102 M parameters (SAPA README). mmsegmentation's MaskFormer with
# Swin; the crop is that of the Mask2Former rows.
_base_ = [
    '../_base_/models/maskformer_swin-b-in22k.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/maskformer_swin_160k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
