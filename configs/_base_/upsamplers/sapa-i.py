# SAPA-I (NeurIPS 2022): the inner product of the maps; whether a norm comes first is not known.
upsample_cfg = dict(type='SAPA', embedding=False, norm=None)
