# Faster R-CNN for Shapes: the Mask R-CNN of the same folder without its mask branch.
_base_ = './mask-rcnn_r18_shapes.py'
model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
