# Panoptic FPN for the 8 things and 4 stuff of Shapes, on the Mask R-CNN of the same folder.
_base_ = './mask-rcnn_r18_shapes.py'
model = dict(
    type='PanopticFPN',
    data_preprocessor=dict(mask_pad_value=0, pad_seg=True, seg_pad_value=255),
    semantic_head=dict(
        type='PanopticFPNHead',
        num_things_classes=8,
        num_stuff_classes=4,
        in_channels=64,
        inner_channels=32,
        start_level=0,
        end_level=4,
        norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
        conv_cfg=None,
        loss_seg=dict(type='CrossEntropyLoss', ignore_index=255, loss_weight=0.5),
    ),
    panoptic_fusion_head=dict(type='HeuristicFusionHead', num_things_classes=8, num_stuff_classes=4),
    test_cfg=dict(
        rcnn=dict(
            score_thr=0.5,
            nms=dict(type='nms', iou_threshold=0.5, class_agnostic=True),
            max_per_img=50,
            mask_thr_binary=0.5,
        ),
        panoptic=dict(mask_overlap=0.5, stuff_area_limit=64),
    ),
)
