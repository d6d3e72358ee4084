"""Activations that are made again in the backward pass in place of being kept for it: the option `with_cp`."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ..ops.functorch import transforming
from ..ops.library import compiling


def recomputed(layer: nn.Module, function: Callable[..., Tensor], *args) -> Tensor | tuple[Tensor, ...]:
    """`function(*args)`; where `layer.with_cp` is on, the backward pass keeps `args` alone and calls it again.

    Results and gradients are the same (non-reentrant checkpointing), random numbers too, and a BatchNorm of the layer
    counts a batch once. As with every checkpointing, the layer's weights must be the same then: around
    `torch.func.functional_call`, which puts others in their place for its call alone, leave `with_cp` off.
    """
    if not (layer.with_cp and torch.is_grad_enabled()) or transforming():  # torch.func has no checkpoints
        return function(*args)
    norms = [module for module in layer.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms or compiling():  # a compiled graph has no second side effect
        return checkpoint(function, *args, use_reentrant=False)
    return checkpoint(function, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), _Uncounted(norms)))


class _Uncounted:
    """Passes that leave the running statistics as they are; entered anew for each, as a higher derivative does."""

    def __init__(self, norms: list[_BatchNorm]) -> None:
        self.norms = norms
        self.kept: list[tuple[float | None, Tensor]] = []

    def __enter__(self) -> None:
        self.kept = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 0.0

    def __exit__(self, *_: object) -> None:
        for norm, (momentum, batches) in zip(self.norms, self.kept):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(batches)
