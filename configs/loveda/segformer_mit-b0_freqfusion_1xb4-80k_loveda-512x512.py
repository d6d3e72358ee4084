# SegFormer-B0 with FreqFusion on LoveDA; not from a paper.
_base_ = './segformer_mit-b0_bilinear_1xb4-80k_loveda-512x512.py'
model = dict(
    decode_head=dict(upsample_cfg=dict(type='FreqFusion', compress_ratio=8, hamming_window=False, resample_groups=4))
)
