# Shapes, semantic segmentation: the narrow SegFormer with DySample-S+, every level upsampled apart.
_base_ = './segformer_r18-slim_bilinear_shapes-semantic.py'
model = dict(
    decode_head=dict(stagewise=True, upsample_cfg=dict(type='DySample', style='pl', groups=8, dynamic_scope=True))
)
