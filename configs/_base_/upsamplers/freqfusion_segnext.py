# FreqFusion (TPAMI 2024) as released with SegNeXt.
upsample_cfg = dict(type='FreqFusion', compress_ratio=4, hamming_window=False)
