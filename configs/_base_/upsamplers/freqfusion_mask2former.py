# FreqFusion (TPAMI 2024) as released with Mask2Former.
upsample_cfg = dict(type='FreqFusion', compressed_channels=64, hamming_window=False, resample_norm=False)
