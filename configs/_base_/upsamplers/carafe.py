# CARAFE (ICCV 2019), as in its FPN.
upsample_cfg = dict(type='carafe')
