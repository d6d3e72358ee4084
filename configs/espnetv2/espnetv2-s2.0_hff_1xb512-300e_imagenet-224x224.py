# ESPNetv2 (CVPR 2019), ImageNet, row s = 2.0: top-1 72.06, top-5 90.39; 3.49 M parameters, 284.81 M multiply-adds.
_base_ = [
    '../_base_/models/espnetv2_imagenet.py',
    '../_base_/datasets/imagenet_224x224.py',
    '../_base_/schedules/cls_espnetv2_300e.py',
]
train_dataloader = dict(batch_size=512)
