# JAFAR's comparison, DINOv2-S/14 frozen, linear probe, PASCAL VOC 2012, row Bilinear: mIoU 80.7. The recipe is ours.
_base_ = [
    '../_base_/models/frozen_vit-s14.py',
    '../_base_/datasets/voc12aug_512x512.py',
    '../_base_/schedules/seg_sgd_40k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=21))
