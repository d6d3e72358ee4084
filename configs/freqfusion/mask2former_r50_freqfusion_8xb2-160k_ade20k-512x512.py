# Mask2Former R50 + FreqFusion on ADE20K, no row of FreqFusion (TPAMI 2024).
_base_ = './mask2former_r50_bilinear_8xb2-160k_ade20k-512x512.py'
model = dict(
    decode_head=dict(
        pixel_decoder=dict(
            fuse_inputs=True,
            upsample_cfg=dict(
                type='FreqFusion', compressed_channels=64, hamming_window=False, resample_groups=4, resample_norm=False
            ),
        )
    )
)
