# Shapes, semantic segmentation: a narrow ViT/16, x8 to 1/2 before the classifier; the baseline.
_base_ = './vit-tiny-x4_bilinear_shapes-semantic.py'
model = dict(decode_head=dict(guide_strides=(2, 1)))
