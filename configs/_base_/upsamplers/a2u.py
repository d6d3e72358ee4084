# A2U (CVPR 2021), the form that the tables of later papers measured.
upsample_cfg = dict(type='A2U')
