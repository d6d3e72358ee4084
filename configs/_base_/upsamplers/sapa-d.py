# SAPA-D (arXiv 2307.08198).
upsample_cfg = dict(type='SAPA-D')
