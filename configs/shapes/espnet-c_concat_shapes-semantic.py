# Shapes, semantic segmentation: ESPNet-C (p=2, q=3) with its branches concatenated only, no hierarchical fusion.
_base_ = './espnet-c_hff_shapes-semantic.py'
model = dict(backbone=dict(chain='none'))
