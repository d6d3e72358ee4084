# FreqFusion (TPAMI 2024) as released for the detectors.
upsample_cfg = dict(type='FreqFusion')
