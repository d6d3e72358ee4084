# FreqFusion (TPAMI 2024) in SegFormer, by the authors' untested sketch.
upsample_cfg = dict(type='FreqFusion', hamming_window=False)
