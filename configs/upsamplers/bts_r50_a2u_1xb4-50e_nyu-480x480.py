# SAPA (NeurIPS 2022) README, depth: BTS R50 on NYU Depth v2, row A2U: d1 0.860, AbsRel 0.121, RMS 0.429.
_base_ = ['./bts_r50_nearest_1xb4-50e_nyu-480x480.py', '../_base_/upsamplers/a2u.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
