# FreqFusion (TPAMI 2024), Tables XII and XIII, rows ALPF + AHPF and K_high = 3: mIoU 42.9.
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, resample=False)))
