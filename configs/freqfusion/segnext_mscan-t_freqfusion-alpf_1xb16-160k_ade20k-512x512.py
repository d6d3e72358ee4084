# FreqFusion (TPAMI 2024), Table XII, row ALPF alone: +0.9 mIoU. The initial fusion is left as it is, our reading.
_base_ = ['./segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_segnext.py']
model = dict(
    decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, highpass=False, initial_highpass=True, resample=False))
)
