"""Resuming a run whose weights are shared out (FSDP).

Lacking: mmengine (0.10.7; onedl 0.10.12) hands the arguments of `FSDP.optim_state_dict_to_load` on in the order that
    they had before torch 2.1, and a resumed run ends with "unhashable type: 'dict'".
Changes: `FSDPStrategy.load_optim_state_dict` names them.
Goes: when mmengine does.
"""


def apply() -> None:
    """Closes the gap; idempotent."""
    try:
        from mmengine._strategy import FSDPStrategy
    except ImportError:  # no FSDP in this torch
        return
    FSDPStrategy.load_optim_state_dict = _load_optim_state_dict


def _load_optim_state_dict(strategy, state_dict: dict) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    optimizer = strategy.optim_wrapper.optimizer
    state_dict = FullyShardedDataParallel.optim_state_dict_to_load(
        model=strategy.model, optim=optimizer, optim_state_dict=state_dict
    )
    strategy.optim_wrapper.load_state_dict(state_dict)
