# FreqFusion (TPAMI 2024), Table VI, row SegNeXt-T + FreqFusion: ADE20K mIoU 43.5 (checkpoint 43.7).
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
