# Shapes, semantic segmentation: ESPNet (p=2, q=3) with its branches concatenated only, no hierarchical fusion.
_base_ = './espnet_p2-q3_hff_1xb8-1000i_shapes-128x128.py'
model = dict(backbone=dict(chain='none'), decode_head=dict(chain='none'))
