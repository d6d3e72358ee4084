# FreqFusion (TPAMI 2024), Table II, row FreqFusion, SegFormer-B1: ADE20K mIoU 44.5. No config was
# released; the options are those of the authors' untested sketch.
_base_ = './segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py'
model = dict(
    decode_head=dict(upsample_cfg=dict(type='FreqFusion', compress_ratio=8, hamming_window=False, resample_groups=4))
)
