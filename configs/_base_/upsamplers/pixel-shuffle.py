# PixelShuffle (CVPR 2016): a convolution to four times the channels, shuffled.
upsample_cfg = dict(type='pixel_shuffle')
