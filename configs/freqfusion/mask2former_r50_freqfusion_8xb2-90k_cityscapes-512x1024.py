# FreqFusion (TPAMI 2024), Mask2Former on Cityscapes, row R50 + FreqFusion: +1.4 mIoU.
_base_ = './mask2former_r50_bilinear_8xb2-90k_cityscapes-512x1024.py'
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
