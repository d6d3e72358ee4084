# SAPA (NeurIPS 2022) README, depth: BTS R50 on NYU Depth v2, row SAPA-B: d1 0.871, AbsRel 0.116, RMS 0.410.
_base_ = ['./bts_r50_nearest_1xb4-50e_nyu-480x480.py', '../_base_/upsamplers/sapa.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
