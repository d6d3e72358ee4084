# DySample+ (ICCV 2023): the scope of the offsets is predicted.
upsample_cfg = dict(type='DySample', dynamic_scope=True)
