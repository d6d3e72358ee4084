# Shapes, semantic segmentation: ESPNetv2 (s=0.5) with its branches concatenated only, no hierarchical fusion.
_base_ = './espnetv2_hff_shapes-semantic.py'
model = dict(backbone=dict(chain='none'))
