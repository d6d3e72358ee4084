# DySample-S+ (ICCV 2023): DySample-S with a predicted scope.
upsample_cfg = dict(type='DySample', style='pl', groups=8, dynamic_scope=True)
