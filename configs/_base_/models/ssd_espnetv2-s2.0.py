# SSD on ESPNetv2, s = 2.0: EdgeNets' detector at 300x300, 80 classes. Its anchors are not clipped to the image, as
# EdgeNets' are; the strides are those of the six levels.
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
    ),
    # the author's ImageNet file: init_cfg=dict(type='Pretrained', checkpoint=FILE)
    backbone=dict(
        type='ESPNetV2', scale=2.0, out_indices=(2, 3, 4), final_convs=True, reinforce_last=True, chain='all'
    ),
    neck=dict(
        type='ESPNetV2SSDNeck',
        in_channels=[256, 512, 1280],
        upsample_cfg=dict(type='bilinear', align_corners=True),
    ),
    bbox_head=dict(
        type='PointwiseSSDHead',
        num_classes=80,
        in_channels=[256, 512, 1280, 512, 256, 128],
        anchor_generator=dict(
            type='SSDAnchorGenerator',
            scale_major=False,
            strides=[8, 16, 32, 64, 100, 300],
            ratios=[[2, 3], [2, 3], [2, 3], [2, 3], [2, 3], [2, 3]],
            # in seven equal steps from 10 to 105 % of the side
            min_sizes=[30, 77, 125, 172, 220, 267],
            max_sizes=[77, 125, 172, 220, 267, 315],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2]),
    ),
    train_cfg=dict(
        assigner=dict(
            type='MaxIoUAssigner',
            pos_iou_thr=0.45,
            neg_iou_thr=0.45,
            min_pos_iou=0.0,
            ignore_iof_thr=-1,
            gt_max_assign_all=False,
        ),
        sampler=dict(type='PseudoSampler'),
        smoothl1_beta=1.0,
        allowed_border=-1,
        pos_weight=-1,
        neg_pos_ratio=3,
        debug=False,
    ),
    test_cfg=dict(
        nms_pre=1000,
        nms=dict(type='nms', iou_threshold=0.45),
        min_bbox_size=0,
        score_thr=0.01,
        max_per_img=200,
    ),
)
