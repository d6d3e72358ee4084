# SegFormer-B0 with FreqFusion on LoveDA; not from a paper.
_base_ = ['./segformer_mit-b0_bilinear_1xb4-80k_loveda-512x512.py', '../_base_/upsamplers/freqfusion_segformer.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
