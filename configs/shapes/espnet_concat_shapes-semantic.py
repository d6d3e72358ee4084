# Shapes, semantic segmentation: ESPNet (p=2, q=3) with its branches concatenated only, no hierarchical fusion.
_base_ = './espnet_hff_shapes-semantic.py'
model = dict(backbone=dict(chain='none'), decode_head=dict(chain='none'))
