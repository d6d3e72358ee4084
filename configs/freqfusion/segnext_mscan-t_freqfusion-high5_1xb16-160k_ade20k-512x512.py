# FreqFusion (TPAMI 2024), Table XIII, row K_high = 5: mIoU 42.4. Without offsets, as the values of the table imply.
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, highpass_kernel=5, resample=False)))
