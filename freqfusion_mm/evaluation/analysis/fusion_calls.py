"""The fusions of a model, found by their classes, and what goes in and comes out while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...layers import Fusion, Inside, LiftDownPool, SubBands, Upsampler
from .in_evaluation import in_evaluation


@dataclass
class FusionCall:
    """One call of a fusion, of the first sample of the batch.

    Attributes:
        name: of the layer in the model.
        layer: the layer.
        lr_feat: the coarse map, [1, C, h, w].
        hr_feat: the fine map, [1, C', H, W]; None where the layer takes something else, or nothing.
        lr_up: the coarse map upsampled, [1, C, H, W].
        hr_out: the fine map as it was returned; None where it passed unchanged.
    """

    name: str
    layer: nn.Module
    lr_feat: Tensor
    hr_feat: Tensor | None
    lr_up: Tensor
    hr_out: Tensor | None

    @property
    def method(self) -> str:
        """The class of the upsampler."""
        return type(upsampler_of(self.layer)).__name__

    @torch.no_grad()
    def inside(self) -> Inside | None:
        """What the layer decides for these maps, as it is now and in evaluation: one sample is no batch to norm by."""
        look = getattr(self.layer, 'inside', None)
        if look is None:
            return None
        weight = next(self.layer.parameters(), self.lr_feat)  # of half precision, maybe
        maps = [None if feat is None else feat.to(weight.dtype) for feat in (self.lr_feat, self.hr_feat)]
        with in_evaluation(self.layer):
            return look(*maps)


def upsampler_of(layer: nn.Module) -> nn.Module:
    """The layer that does the work, without the adapters around it."""
    for attribute in ('upsampler', 'fusion'):
        inner = getattr(layer, attribute, None)
        if isinstance(inner, nn.Module):
            return upsampler_of(inner)
    return layer


def find_fusions(model: nn.Module) -> dict[str, nn.Module]:
    """Every fusion and every upsampler of a model by name, without those that are parts of another."""
    return _outermost(model, (Fusion, Upsampler))


def find_pools(model: nn.Module) -> dict[str, LiftDownPool]:
    """Every pooling by lifting of a model by name, those of fixed wavelets too."""
    return _outermost(model, (LiftDownPool,))


def _outermost(model: nn.Module, kinds: tuple[type, ...]) -> dict[str, Any]:
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        if isinstance(module, kinds) and not any(not outer or name.startswith(f'{outer}.') for outer in found):
            found[name] = module
    return found


@contextmanager
def recorded_fusions(model: nn.Module) -> Iterator[list[FusionCall]]:
    """Inside it, each call of a fusion is kept, in order; the maps are copies, which later layers cannot change."""
    calls: list[FusionCall] = []

    def hook(name: str):
        def keep(layer: nn.Module, args: tuple, named: dict, returned: Any) -> None:
            given = dict(zip(('lr_feat', 'hr_feat'), args), **named)
            pair = returned if isinstance(returned, tuple) else (returned, None)
            lr_feat, hr_feat = given.get('lr_feat'), given.get('hr_feat')
            if not isinstance(lr_feat, Tensor) or not len(lr_feat):
                return
            hr_out = None if pair[1] is hr_feat else pair[1]
            calls.append(FusionCall(name, layer, *map(_first, (lr_feat, hr_feat, pair[0], hr_out))))

        return keep

    handles = [layer.register_forward_hook(hook(name), with_kwargs=True) for name, layer in find_fusions(model).items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def recorded_bands(model: nn.Module) -> Iterator[dict[str, SubBands]]:
    """Inside it, the sub-bands [1, C, h, w] of each pooling's last call are kept, of the first sample."""
    bands: dict[str, SubBands] = {}
    pools = find_pools(model)

    def watched(name: str, decompose: Callable) -> Callable:
        def keep(feat: Tensor) -> tuple:
            found, lifts = decompose(feat)
            bands[name] = SubBands(*map(_first, found[:4]), found.size)
            return found, lifts

        return keep

    for name, pool in pools.items():  # no forward hook: networks call `split` too
        pool.lifting.decompose = watched(name, pool.lifting.decompose)
    try:
        yield bands
    finally:
        for pool in pools.values():
            del pool.lifting.decompose


def _first(feat: Any) -> Tensor | None:
    if not isinstance(feat, Tensor):
        return None
    first = feat.detach()[:1]
    return first.to(torch.promote_types(first.dtype, torch.float32), copy=True)
