# SAPA-B (NeurIPS 2022).
upsample_cfg = dict(type='SAPA')
