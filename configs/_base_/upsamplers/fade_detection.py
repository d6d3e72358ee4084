# FADE (ECCV 2022) without its gate, as in the detectors of its authors' fork.
upsample_cfg = dict(type='FADE', gated=False)
