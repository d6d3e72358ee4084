# FADE (ECCV 2022), with its gate: both maps have the same channels.
upsample_cfg = dict(type='FADE')
