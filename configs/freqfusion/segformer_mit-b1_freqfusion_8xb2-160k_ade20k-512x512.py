# FreqFusion (TPAMI 2024), Table II, row FreqFusion, SegFormer-B1: ADE20K mIoU 44.5. No config was
# released; the options are those of the authors' untested sketch.
_base_ = ['./segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segformer.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
