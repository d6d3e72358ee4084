# IndexNet (ICCV 2019), holistic index with context.
upsample_cfg = dict(type='IndexNet')
