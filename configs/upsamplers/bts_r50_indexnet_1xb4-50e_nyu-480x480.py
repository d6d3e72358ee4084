# SAPA (NeurIPS 2022) README, depth: BTS R50 on NYU Depth v2, row IndexNet: d1 0.866, AbsRel 0.117, RMS 0.416.
_base_ = ['./bts_r50_nearest_1xb4-50e_nyu-480x480.py', '../_base_/upsamplers/indexnet.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
