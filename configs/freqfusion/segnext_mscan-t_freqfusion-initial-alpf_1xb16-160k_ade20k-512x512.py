# FreqFusion (TPAMI 2024), Table XV, row initial ALPF alone: +0.3 mIoU.
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, initial_highpass=False)))
