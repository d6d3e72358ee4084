# What every model of the CamVid study shares: data, schedule, metrics. No training image is from the drive Seq05VD.
_base_ = [
    '../../../configs/_base_/datasets/camvid_240x320.py',
    '../../../configs/_base_/schedules/seg_adamw_1500i.py',
    '../../../configs/_base_/default_runtime.py',
]
val_evaluator = [
    dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=11),
    dict(type='BoundaryIoU', ignore_index=11),
    dict(type='BoundaryF1', ignore_index=11),
]
drives = {'Seq05VD': 'Seq05VD_*', '0001TP': '0001TP_*'}
test_evaluator = [dict(type='SubsetMetric', metric=metric, subsets=drives) for metric in val_evaluator]
# Written by `freqfusion-mm convert` from the author's file, see the README.
pretrained = dict(
    type='Pretrained', checkpoint='{{$CAMVID_PRETRAINED:data/pretrained/espnetv2_s1.0_voc.pth}}', prefix='backbone.'
)
custom_hooks = []  # runs of minutes, which are never resumed
