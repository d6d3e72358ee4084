# SAPA-G (NeurIPS 2022), with its gate.
upsample_cfg = dict(type='SAPA', gated=True)
