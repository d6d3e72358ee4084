# FreqFusion (TPAMI 2024), Table XIII, row K_low = 7: as 5, without a number.
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, lowpass_kernel=7, resample=False)))
