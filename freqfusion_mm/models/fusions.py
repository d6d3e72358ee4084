"""What necks, heads and pixel decoders with fusions share: where options belong, initialisation, checkpoints."""

import functools
import inspect
from collections.abc import Callable, Iterable, MutableMapping
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from mmengine.model import BaseModule, PretrainedInit, initialize
from torch import nn

from ..layers import UNPOOLS, UPSAMPLERS, Deconv, option_names, read_upsample_cfg

T = TypeVar('T', bound=type[nn.Module])


def takes_fusion(cls: T) -> T:
    """Class decorator for a module with `upsample_cfg`: a keyword that nobody takes is answered with where it belongs.

    A class may have `twins`: option of another stock module -> our twin of that, and its name.

    Example:
        >>> @takes_fusion
        ... class Head(nn.Module):
        ...     def __init__(self, upsample_cfg='FreqFusion', channels=8):
        ...         super().__init__()
        >>> Head(compressed_channels=8)
        Traceback (most recent call last):
        ...
        TypeError: Head has no option compressed_channels: this belongs into upsample_cfg, e.g. \
upsample_cfg=dict(type='FreqFusion', compressed_channels=8)
    """
    init = cls.__init__
    known, default = {}, None
    for base in cls.__mro__[: cls.__mro__.index(nn.Module)]:
        if '__init__' in vars(base):
            parameters = inspect.signature(vars(base)['__init__']).parameters
            known |= {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD and name != 'self'}
            default = default or getattr(parameters.get('upsample_cfg'), 'default', None)

    @functools.wraps(init)
    def __init__(self, *args, **kwargs) -> None:
        unknown = [name for name in kwargs if name not in known]
        if unknown and unknown[0] in getattr(cls, 'twins', {}):
            twin, stock = cls.twins[unknown[0]]
            raise TypeError(f'{cls.__name__} has no {unknown[0]} and would drop it: the twin of {stock} is {twin}')
        if unknown:
            raise TypeError(_answer(cls.__name__, unknown[0], kwargs, list(known), kwargs.get('upsample_cfg', default)))
        init(self, *args, **kwargs)

    cls.__init__ = __init__
    return cls


def _answer(owner: str, name: str, kwargs: dict[str, Any], known: list[str], upsample_cfg: Any) -> str:
    chosen = upsample_cfg.get('type', 'FreqFusion') if isinstance(upsample_cfg, dict) else upsample_cfg

    def example(kind: str | type) -> str:
        kind = kind if isinstance(kind, str) else kind.__name__
        return f'e.g. upsample_cfg=dict(type={kind!r}, {name}={kwargs[name]!r})'

    if chosen not in UNPOOLS and name in option_names(chosen):
        return f'{owner} has no option {name}: this belongs into upsample_cfg, {example(chosen)}'
    near, takes = get_close_matches(name, known, n=1), f'it takes {", ".join(known)}'
    if near:
        return f'{owner} has no option {name} (did you mean {near[0]}?): {takes}'
    others = [kind for kind in UPSAMPLERS if name in option_names(kind)]
    return (
        f'{owner} has no option {name}: {takes}'
        + (f'; for another upsampler it belongs into upsample_cfg, {example(others[0])}' if others else '')
        + '; if the base config says it, of another type in this place, write the whole anew with _delete_=True'
    )


def refuse_mode(owner: str, keyword: str, kwargs: dict[str, Any], stock: str | None = None) -> None:
    """Refuses a stock keyword that names an interpolation, unless it names the `stock` one, and takes it out.

    Raises:
        ValueError: `upsample_cfg` names it here.
    """
    if kwargs.get(keyword, stock) != stock:
        raise ValueError(
            f'{owner}: {keyword} is chosen by upsample_cfg; write upsample_cfg=dict(type={kwargs[keyword]!r}) instead'
        )
    kwargs.pop(keyword, None)


def keeps_deconv(owner: str, upsample_cfg: str | type | dict[str, Any]) -> bool:
    """Whether a module whose stock upsampling is a transposed convolution keeps it, as `dict(type='deconv')` says.

    Raises:
        TypeError: options, which would be dropped: the stock module's own arguments say them.
    """
    kind, options = read_upsample_cfg(upsample_cfg)
    if kind is Deconv and options:
        raise TypeError(
            f"{owner} keeps its stock transposed convolutions with upsample_cfg=dict(type='deconv'), which has no "
            f'options here, got {options}: leave them out'
        )
    return kind is Deconv


class DeepToShallow:
    """Mixin, to be named first: `fusions` goes from deep to shallow, and loads what was counted the other way.

    That is what this class saved as version 1, and other lists of the same modules.

    Attributes:
        shallow_to_deep: name of such a list -> what the name of a weight in one of its modules is in one of `fusions`.
    """

    _version = 2
    shallow_to_deep: ClassVar[dict[str, Callable[[str], str]]] = {}

    def _load_from_state_dict(
        self, state_dict: MutableMapping[str, Any], prefix: str, local_metadata: dict, *args
    ) -> None:
        lists = dict(self.shallow_to_deep)
        if local_metadata.get('version', self._version) < 2:
            lists = {'fusions': str, **lists}
        for theirs, rename in lists.items():
            start = f'{prefix}{theirs}.'
            found = {key: state_dict.pop(key) for key in list(state_dict) if key.startswith(start)}
            for key, value in found.items():
                index, name = key[len(start) :].split('.', 1)
                ours = len(self.fusions) - 1 - int(index)
                state_dict[f'{prefix}fusions.{ours}.{rename(name)}' if ours >= 0 else key] = value
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def arguments(init: Callable, *args, **kwargs) -> dict[str, Any]:
    """All that a constructor is given, by name and with its defaults: stock classes do not keep all of it.

    Example:
        >>> arguments(nn.Conv2d, 3, 8, kernel_size=1)['bias']
        True
    """
    bound = inspect.signature(init).bind(*args, **kwargs)
    bound.apply_defaults()
    return {**bound.arguments, **kwargs}


class KeptInit:
    """Mixin, to be named first: `init_cfg` initialises the stock layers; a fusion keeps its own initialisation, or that
    of an `init_cfg` of its own.

    Nor is a fusion frozen with them: what `norm_eval` keeps fixed are statistics of a pretrained network, which a
    fusion has none of, and `frozen_stages` leaves its weights trainable. A module whose fusions sit inside its stock
    sub-modules has a property `fusions` that lists them.
    """

    def keep_init(self) -> Iterable[nn.Module]:
        """The layers that keep their own initialisation."""
        return self.fusions.children()

    def train(self, mode: bool = True) -> nn.Module:
        """As the stock module; the norms of `keep_init` train whatever its `norm_eval` says."""
        super().train(mode)
        for layer in self.keep_init():
            layer.train(mode)
        return self

    def init_weights(self) -> None:
        """Initialise the stock layers, and none of `keep_init`; a checkpoint may hold those, too, and reaches all."""
        if not hasattr(super(), 'init_weights'):
            return
        first = not getattr(self, 'is_init', False)
        kept = [*self.keep_init()]
        held = set(kept)
        if first:
            for layer in kept:
                _follow_own_init(layer)
        places = [
            (parent, name, child)
            for parent in self.modules()
            for name, child in parent.named_children()
            if child in held
        ]
        for parent, name, _ in places:
            setattr(parent, name, nn.Identity())
        try:
            super().init_weights()
        finally:
            for parent, name, child in places:
                setattr(parent, name, child)
        cfgs = getattr(self, 'init_cfg', None) or []
        checkpoints = [cfg for cfg in ([cfgs] if isinstance(cfgs, dict) else cfgs) if _names_checkpoint(cfg)]
        if first and checkpoints and any(True for child in held for _ in child.parameters()):
            initialize(self, checkpoints)  # once more, for what was hidden


def _follow_own_init(layer: nn.Module) -> None:
    """The `init_cfg` of a user's own upsampler is no other module's."""
    if isinstance(layer, BaseModule) and layer.init_cfg:
        layer.init_weights()
    else:
        for child in layer.children():
            _follow_own_init(child)


def _names_checkpoint(init_cfg: dict) -> bool:
    return init_cfg.get('type') in ('Pretrained', PretrainedInit)
