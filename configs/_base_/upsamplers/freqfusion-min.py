# FreqFusion for those who count milliseconds: `lite` without the high-pass filter, with 3x3 low-pass kernels.
upsample_cfg = dict(
    type='FreqFusion',
    resample_direction='similarity',
    resample_kernel=1,
    compressed_channels=32,
    highpass=False,
    lowpass_kernel=3,
)
