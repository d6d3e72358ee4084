# DySample-S (ICCV 2023): offsets at the fine size, eight groups.
upsample_cfg = dict(type='DySample', style='pl', groups=8)
