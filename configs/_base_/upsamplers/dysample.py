# DySample (ICCV 2023), offsets at the coarse size.
upsample_cfg = dict(type='DySample')
