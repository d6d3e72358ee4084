# Deconv: a transposed convolution.
upsample_cfg = dict(type='deconv')
