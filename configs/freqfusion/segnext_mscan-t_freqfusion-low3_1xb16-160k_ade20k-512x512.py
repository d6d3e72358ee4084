# FreqFusion (TPAMI 2024), Table XIII, row K_low = 3: 1.0 mIoU below 5. Without offsets, as the table implies.
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, lowpass_kernel=3, resample=False)))
