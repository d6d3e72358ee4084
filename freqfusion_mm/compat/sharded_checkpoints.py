"""Resuming a run whose weights are shared out (FSDP), from the shards that each process wrote.

Lacking: mmengine (0.10.7; onedl 0.10.12) hands the arguments of `FSDP.optim_state_dict_to_load` on in the order that
    they had before torch 2.1, and a resumed run ends with "unhashable type: 'dict'". Shards of weights and of the
    optimizer's state are written as `ShardedTensor`, which is no plain data and which our commands do not unpickle.
Changes: `FSDPStrategy` names the arguments, and writes a process's shards as the tensors that they are.
Goes: when mmengine does both.
"""

import torch


def apply() -> None:
    """Closes the gap; idempotent."""
    try:
        from mmengine._strategy import FSDPStrategy
    except ImportError:  # no FSDP in this torch
        return
    FSDPStrategy.model_state_dict = _model_state_dict
    FSDPStrategy.load_model_state_dict = _load_model_state_dict
    FSDPStrategy.optim_state_dict = _optim_state_dict
    FSDPStrategy.load_optim_state_dict = _load_optim_state_dict


def _model_state_dict(strategy) -> dict:
    from torch.distributed._shard.sharded_tensor import ShardedTensor

    state_dict = strategy.model.state_dict()
    for name, value in state_dict.items():
        if isinstance(value, ShardedTensor):
            shards = value.local_shards()
            state_dict[name] = shards[0].tensor.clone() if shards else torch.empty(0)
    return state_dict


def _load_model_state_dict(strategy, state_dict: dict, *, strict: bool = False, revise_keys: list = ()) -> None:
    if not strategy._is_full_state_dict():
        for name, value in state_dict.items():
            if name.rpartition('.')[2] == '_flat_param':
                state_dict[name] = _shared_out(value)
    strategy.model.load_state_dict(state_dict, strict=strict)


def _shared_out(mine: torch.Tensor) -> torch.Tensor:
    """The `ShardedTensor` of which every process has its part."""
    from torch import distributed
    from torch.distributed._shard.sharded_tensor import Shard, init_from_local_shards

    lengths: list[int] = [0] * distributed.get_world_size()
    distributed.all_gather_object(lengths, mine.numel())
    rank = distributed.get_rank()
    shards = [Shard.from_tensor_and_offsets(mine, [sum(lengths[:rank])], rank)] if mine.numel() else []
    return init_from_local_shards(shards, sum(lengths))


def _optim_state_dict(strategy) -> dict:
    from torch.distributed.fsdp import FullyShardedDataParallel

    if not strategy._is_full_state_dict():
        return strategy.optim_wrapper.state_dict()
    return FullyShardedDataParallel.optim_state_dict(strategy.model, strategy.optim_wrapper)


def _load_optim_state_dict(strategy, state_dict: dict) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    if strategy._is_full_state_dict():
        state_dict = FullyShardedDataParallel.optim_state_dict_to_load(
            model=strategy.model, optim=strategy.optim_wrapper.optimizer, optim_state_dict=state_dict
        )
    strategy.optim_wrapper.load_state_dict(state_dict)
