# ReSFU (arXiv 2407.02283), dilations by the ratio, as in the paper.
upsample_cfg = dict(type='ReSFU')
