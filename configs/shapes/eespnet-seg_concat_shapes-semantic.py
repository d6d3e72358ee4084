# Shapes, semantic segmentation: the same with its branches concatenated only, no hierarchical fusion.
_base_ = './eespnet-seg_hff_shapes-semantic.py'
model = dict(backbone=dict(chain='none'), decode_head=dict(chain='none'))
