# Shapes, semantic segmentation: ESPNetv2 (s=0.5) with its branches concatenated only, no hierarchical fusion.
_base_ = './espnetv2_s0.5_hff_1xb8-1000i_shapes-128x128.py'
model = dict(backbone=dict(chain='none'))
