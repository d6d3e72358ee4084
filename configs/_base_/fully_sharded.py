# Weights, gradients and optimizer states shared out among the processes (FSDP): for a model too large for one GPU.
runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(type='MMFullyShardedDataParallel', use_orig_params=True),
)
