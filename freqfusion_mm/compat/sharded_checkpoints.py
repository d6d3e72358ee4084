"""Resuming a run whose weights are shared out (FSDP), from the shards that each process wrote.

Lacking: mmengine (0.10.7; onedl 0.10.12) hands the arguments of `FSDP.optim_state_dict_to_load` on in the order that
    they had before torch 2.1, and a resumed run ends with "unhashable type: 'dict'". torch does not count its own
    `ShardedTensor` as data where `weights_only=True`.
Changes: `FSDPStrategy.load_optim_state_dict` names the arguments; a shard and what describes it are data.
Goes: when mmengine does, and torch.
"""


def apply() -> None:
    """Closes the gap; idempotent."""
    try:
        import torch.distributed._shard.sharded_tensor.metadata as metadata
        from mmengine._strategy import FSDPStrategy
        from torch.distributed._shard.metadata import ShardMetadata
        from torch.distributed._shard.sharded_tensor import Shard, ShardedTensor
        from torch.distributed.remote_device import _remote_device
        from torch.serialization import add_safe_globals
    except ImportError:  # no FSDP in this torch, or no rule of what is data
        return
    FSDPStrategy.load_optim_state_dict = _load_optim_state_dict
    described_by = [
        ShardMetadata,
        metadata.ShardedTensorMetadata,
        metadata.TensorProperties,
        metadata.MEM_FORMAT_ENCODING,
    ]
    add_safe_globals([ShardedTensor, Shard, _remote_device, *described_by])


def _load_optim_state_dict(strategy, state_dict: dict) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    optimizer = strategy.optim_wrapper.optimizer
    state_dict = FullyShardedDataParallel.optim_state_dict_to_load(
        model=strategy.model, optim=optimizer, optim_state_dict=state_dict
    )
    strategy.optim_wrapper.load_state_dict(state_dict)
