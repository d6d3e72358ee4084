"""The feature maps of any layer of a model while it runs, and the labels that go with them.

A layer is named as `model.named_modules()` gives it:

    decode_head.fusion_conv        the map that it returns
    decode_head.fusion_conv:in     the map that it is given, here all levels fused and concatenated
    decode_head.fusions.0:0        the first of several maps that it returns, here the upsampled one of a fusion
    decode_head.fusions.0:in:1     the second of several maps that it is given
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Probe:
    """Inside it, as a context, keeps the map that a layer returns, or is given, whenever the model runs.

    Raises:
        ValueError: there is no such layer; later, the layer's maps are not one [B, C, h, w].
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.layer = layer
        name, *which = layer.split(':')
        given = which[:1] == ['in']
        index = which[1:] if given else which
        if len(index) > 1 or not all(part.isdecimal() for part in index):
            raise ValueError(f'--layer wants NAME, NAME:INDEX, NAME:in or NAME:in:INDEX, got {layer}')
        self._index = int(index[0]) if index else None
        self._kept: list[Tensor] = []
        self._given = given
        self._module = find_module(model, name)

    def __enter__(self) -> 'Probe':
        if self._given:
            self._hook = self._module.register_forward_pre_hook(
                lambda module, args, named: self._keep((*args, *named.values())), with_kwargs=True
            )
        else:
            self._hook = self._module.register_forward_hook(lambda module, args, returned: self._keep(returned))
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()
        self._kept = []

    def _keep(self, maps: Any) -> None:
        while isinstance(maps, (tuple, list)) and len(maps) == 1:
            maps = maps[0]
        if isinstance(maps, (tuple, list)):
            shapes = ', '.join(f'{i}: {describe(one)}' for i, one in enumerate(maps))
            if self._index is None:
                raise ValueError(f'--layer {self.layer} has several maps ({shapes}): say which, {self.layer}:INDEX')
            if self._index >= len(maps):
                raise ValueError(f'--layer {self.layer} has no map of that number; there are {shapes}')
            maps = maps[self._index]
        elif self._index:
            raise ValueError(f'--layer {self.layer} has no map of that number; there is one, {describe(maps)}')
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            raise ValueError(f'--layer {self.layer} is {describe(maps)}; wanted a feature map [B, C, h, w]')
        self._kept.append(maps.detach().clone())  # a later layer may write into it

    def take(self) -> Tensor:
        """The map [B, C, h, w] of the run since the last call."""
        kept, self._kept = self._kept, []
        if len(kept) != 1:
            raise ValueError(
                f'--layer {self.layer} must run once a batch, it ran {len(kept)} times (mmseg calls a '
                "decode head's methods, not the module): name a layer inside it, or before it"
            )
        return kept[0]


def describe(value: Any) -> str:
    """Its shape, or its type."""
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def find_module(model: nn.Module, name: str) -> nn.Module:
    """The module of this name.

    Raises:
        ValueError: there is none; lists what there is under the part of the name that is right.
    """
    module, path = model, []
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children:
            place = f'under {".".join(path)}' if path else 'in the model'
            known = ['.'.join([*path, child]) for child in children]
            raise ValueError(f'--layer: the model has no layer {name}; {place} there is {", ".join(known) or "none"}')
        module = children[part]
        path.append(part)
    return module


def label_of(sample: Any, size: Sequence[int] | None, ignore_index: int) -> Tensor:
    """Class numbers [H, W] over all that the network saw.

    Where the network's input was padded, the label is continued in proportion, to be ignored, so that it spans what a
    feature map spans.
    """
    if 'gt_sem_seg' not in sample:
        raise ValueError(
            'the pipeline must load labels (LoadAnnotations before PackSegInputs): its samples have no gt_sem_seg'
        )
    label = sample.gt_sem_seg.data[0].long()
    if size:
        label = F.interpolate(label[None, None].double(), size, mode='nearest')[0, 0].long()
    left, right, top, bottom = sample.metainfo.get('img_padding_size') or (0, 0, 0, 0)
    if not any((left, right, top, bottom)):
        return label
    height, width = sample.metainfo['pad_shape'][:2]
    down, across = label.shape[0] / (height - top - bottom), label.shape[1] / (width - left - right)
    widths = [round(side * ratio) for side, ratio in ((left, across), (right, across), (top, down), (bottom, down))]
    return F.pad(label, widths, value=ignore_index)
