# ReSFU (arXiv 2407.02283) as released with Segmenter: the gradients of the similarities times 500.
upsample_cfg = dict(type='ReSFU', lr_mult=500)
