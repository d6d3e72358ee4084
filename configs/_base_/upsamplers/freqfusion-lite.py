# FreqFusion at the cost of the paper's tables, its filters predicted from 32 channels.
upsample_cfg = dict(type='FreqFusion', resample_direction='similarity', resample_kernel=1, compressed_channels=32)
