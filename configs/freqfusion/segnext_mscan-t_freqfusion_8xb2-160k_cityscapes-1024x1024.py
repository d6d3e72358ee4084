# FreqFusion (TPAMI 2024), Table VI, row SegNeXt-T + FreqFusion, Cityscapes: +1.0 mIoU.
_base_ = ['./segnext_mscan-t_bilinear_8xb2-160k_cityscapes-1024x1024.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
