# FreqFusion with the parameters of the paper's tables: offsets from the similarities alone, by 1x1 convolutions.
upsample_cfg = dict(type='FreqFusion', resample_direction='similarity', resample_kernel=1)
