# Shapes, semantic segmentation: ESPNetv2 (s=0.5, CVPR decoder), its branches concatenated, no hierarchical fusion.
_base_ = './eespnet-seg_s0.5_hff_1xb8-1000i_shapes-128x128.py'
model = dict(backbone=dict(chain='none'), decode_head=dict(chain='none'))
