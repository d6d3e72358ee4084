# FreqFusion with the parameters of the paper's tables, but its filters predicted from 32 channels.
upsample_cfg = dict(type='FreqFusion', resample_direction='similarity', resample_kernel=1, compressed_channels=32)
