# Shapes, semantic segmentation: a narrow ViT/16, x8 to 1/2 before the classifier; the baseline.
_base_ = './segmenter-x4_vit-tiny_bilinear_1xb8-1000i_shapes-128x128.py'
model = dict(decode_head=dict(guide_strides=(2, 1)))
