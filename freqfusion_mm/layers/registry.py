"""The upsamplers by name, and the way from `upsample_cfg` to a layer: the one line that a row of a table changes.

Add your own upsampler. One class is all it takes: every neck, head, comparison and test of the package finds it.

    >>> import torch
    >>> from freqfusion_mm.layers import UPSAMPLERS, GuidedUpsampler, build_fusion, register_upsampler
    >>> @register_upsampler('gated_repeat')
    ... class GatedRepeat(GuidedUpsampler):
    ...     def __init__(self, lr_channels, hr_channels, kernel_size=3):
    ...         super().__init__(lr_channels, hr_channels)
    ...         self.kernel_size = kernel_size
    ...         self.gate = torch.nn.Conv2d(hr_channels, lr_channels, kernel_size, padding=kernel_size // 2)
    ...
    ...     def step(self, lr_feat, guide):  # one step, to at most twice the size; the base repeats it, and checks
    ...         lr_up = torch.nn.functional.interpolate(lr_feat, guide.shape[-2:])
    ...         return lr_up * self.gate(guide).sigmoid()
    >>> fusion = build_fusion(dict(type='GatedRepeat', kernel_size=5), lr_channels=16, hr_channels=8)
    >>> lr_up, hr_feat = fusion(torch.rand(1, 16, 5, 7), torch.rand(1, 8, 20, 27))
    >>> lr_up.shape
    torch.Size([1, 16, 20, 27])
    >>> del UPSAMPLERS['gated_repeat']

As a file of `layers/upsamplers/` it belongs to the package; in a project of your own, a class registered with
`@MODELS.register_module()`, or given by its import path, serves as well.
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

from .inside import Inside
from .option_checks import check_positive
from .protocol import Fusion, Upsampler, UpsamplerFusion

#: Every name that `upsample_cfg` takes; upper and lower case, '_' and '-' are all one.
UPSAMPLERS: dict[str, type[nn.Module]] = {}
#: Asked in turn for other names, each `name -> class or None`: `freqfusion_mm.registration` adds mmengine's MODELS.
LOOKUPS: list[Callable[[str], type[nn.Module] | None]] = []

#: What the caller says, not the config.
_CALLERS = ('lr_channels', 'hr_channels', 'keep_hr')
#: The options of mmdet's necks, which an override of the type alone inherits: what tells them, and all of them.
_INHERITED = (
    ({'mode'}, {'mode', 'align_corners', 'scale_factor'}),
    (
        {'up_kernel', 'up_group'},
        {'up_kernel', 'up_group', 'encoder_kernel', 'encoder_dilation', 'compressed_channels'},
    ),
)
#: Options of mmcv's upsamplers, and what a layer of ours that has the notion calls it.
_MMCV_OPTIONS = {
    'up_kernel': ('kernel_size', 'lowpass_kernel'),
    'up_group': ('groups',),
    'upsample_kernel': ('kernel_size',),
    'stride': ('scale_factor',),
}


def register_upsampler(name: str) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Class decorator: `upsample_cfg=dict(type=name)` builds the class from then on.

    The class is an `Upsampler` or a `Fusion`; its first two arguments are `lr_channels, hr_channels`, and the others,
    which have defaults, are the options of the config.

    Raises:
        ValueError: another class has the name.
    """

    def register(cls: type[nn.Module]) -> type[nn.Module]:
        taken = next((key for key in UPSAMPLERS if _plain(key) == _plain(name)), name)
        other = UPSAMPLERS.get(taken, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f'the name {name!r} is that of {other.__module__}.{other.__qualname__}: choose another')
        UPSAMPLERS[taken] = cls
        return cls

    return register


def find_upsampler(name: str) -> type[nn.Module]:
    """The class of a name: one of `UPSAMPLERS`, one that `LOOKUPS` know, or one at an import path.

    Raises:
        ValueError: nothing has the name; the message has the nearest.

    Example:
        >>> find_upsampler('PixelShuffle') is find_upsampler('freqfusion_mm.layers.PixelShuffle')
        True
        >>> find_upsampler('FreqFussion')
        Traceback (most recent call last):
        ...
        ValueError: unknown upsampler type 'FreqFussion' (did you mean 'FreqFusion'?): choose one of A2U, ...
    """
    plain = {_plain(key): cls for key, cls in UPSAMPLERS.items()}
    if _plain(name) in plain:
        return plain[_plain(name)]
    for lookup in (*LOOKUPS, _imported):
        cls = lookup(name)
        if cls is not None:
            return cls
    near = get_close_matches(_plain(name.rsplit('.')[-1]), plain, n=1)
    near = next((f' (did you mean {key!r}?)' for key in UPSAMPLERS if _plain(key) in near), '')
    module = name.rpartition('.')[0]
    if module and not _is_module(module):
        near += f' (Python finds no module {module!r}; the folder of a file of yours belongs on PYTHONPATH)'
    mmengine = '' if LOOKUPS else ' (once freqfusion_mm.registration is imported)'
    raise ValueError(
        f'unknown upsampler type {name!r}{near}: choose one of {", ".join(UPSAMPLERS)}, or give a class, its import '
        f'path, or a name that is registered in the MODELS of mmengine{mmengine}'
    )


def read_upsample_cfg(cfg: str | type | Mapping[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class and the options that `upsample_cfg` means, before anything is built.

    Args:
        cfg: `dict(type=NAME_OR_CLASS, **options)`; a name or class alone; or, as mmdet's FPN writes it,
            `dict(mode=NAME)`, with a warning, as it may be a stock config's. The options of mmcv's upsamplers are taken
            where a layer has the same; those of mmdet's necks that an override of the type alone inherits are left out,
            and named in a warning where the layer has an option of the same name, which they set.

    Raises:
        TypeError: neither of these, a class that is no upsampler, or an option that it does not know.
        ValueError: unknown type.

    Example:
        >>> read_upsample_cfg(dict(type='CARAFE', up_kernel=3))
        (<class 'freqfusion_mm.layers.upsamplers.carafe.CARAFE'>, {'kernel_size': 3})
        >>> read_upsample_cfg('ReSFU')[0].direct
        True
    """
    options = dict(cfg) if isinstance(cfg, Mapping) else dict(type=cfg)
    kind = options.pop('type', None)
    if kind is None and (kind := options.pop('mode', None)):
        warnings.warn(
            f'upsample_cfg={dict(cfg)} is written as stock configs have it, and stays {kind}: give '
            f"upsample_cfg=dict(type='FreqFusion'), or another, or dict(type={kind!r}) if that is meant",
            stacklevel=3,
        )
    if isinstance(kind, str):
        kind = find_upsampler(kind)
    if not callable(kind) or isinstance(kind, nn.Module):
        got = f'a layer, {type(kind).__name__}(...), instead of its class' if isinstance(kind, nn.Module) else repr(cfg)
        raise TypeError(
            f"upsample_cfg must be a dict with a 'type', e.g. dict(type='FreqFusion'), a name or a class, got {got}"
        )
    parameters = inspect.signature(kind).parameters
    _check_upsampler(kind, parameters)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return kind, options
    known = [name for name in parameters if name not in _CALLERS]
    aliases = getattr(kind, 'option_aliases', {})
    twice = [name for name in options if aliases.get(name, name) != name and aliases[name] in options]
    if twice:
        raise TypeError(f'{kind.__name__}: {twice[0]} is another name of {aliases[twice[0]]}: give one of the two')
    options = {aliases.get(name, name): value for name, value in options.items()}
    for signs, inherited in _INHERITED:
        if signs <= set(options) and not signs & set(known):
            options = {name: value for name, value in options.items() if name not in inherited or name in known}
            kept = {
                name: value
                for name, value in options.items()
                if name in inherited and parameters[name].default not in (None, value)
            }
            if kept:
                warnings.warn(
                    f'{kind.__name__} takes {kept} from the options of another upsampler that stand beside its type: '
                    'write the whole upsample_cfg with _delete_=True for its own defaults',
                    stacklevel=3,
                )
    unknown = [name for name in options if name not in known]
    if unknown:
        hints = [_hint(kind, name, known) for name in unknown]
        raise TypeError(
            f'{kind.__name__} has no option {", ".join(map("".join, zip(unknown, hints)))}: it takes '
            f'{", ".join(known) or "none"}{"" if all(hints) else _anothers(kind, unknown)}'
        )
    return kind, options


def build_fusion(
    cfg: str | type | Mapping[str, Any], lr_channels: int, hr_channels: int, keep_hr: bool = True, **offered
) -> Fusion:
    """Build the fusion of a low-resolution map into a high-resolution one.

    Args:
        cfg: see `read_upsample_cfg`. An upsampler is made a fusion by `UpsamplerFusion`.
        lr_channels, hr_channels: channels of the two maps.
        keep_hr: whether the caller uses the second of the two maps that the fusion returns; a fusion that changes
            `hr_feat` has no weights for it otherwise, which would never get a gradient.
        offered: options of the model around it (`align_corners`, `norm_cfg`), for a layer that `follows` them and
            whose config does not name them.

    Raises:
        TypeError, ValueError: see `read_upsample_cfg`; and what the layer says to its options.

    Example:
        >>> build_fusion('bilinear', lr_channels=64, hr_channels=32, align_corners=True).direct
        True
    """
    check_positive(lr_channels=lr_channels, hr_channels=hr_channels)
    kind, options = read_upsample_cfg(cfg)
    if offered.get('norm_cfg'):  # which freezes what is pretrained, as a fusion is not
        offered['norm_cfg'] = {key: value for key, value in offered['norm_cfg'].items() if key != 'requires_grad'}
    for name in getattr(kind, 'follows', ()):
        if offered.get(name) is not None:
            options.setdefault(name, offered[name])
    if not keep_hr and 'keep_hr' in inspect.signature(kind).parameters:
        options['keep_hr'] = False
    layer = kind(lr_channels, hr_channels, **options)
    return layer if isinstance(layer, Fusion) else UpsamplerFusion(layer)


class _Upsampling(Upsampler):
    """The first map of a fusion alone, by a 1x1 convolution at other channels."""

    def __init__(self, fusion: Fusion, lr_channels: int, out_channels: int | None) -> None:
        super().__init__()
        self.fusion = fusion
        self.direct, self.guided = fusion.direct, fusion.guided
        self.project = nn.Identity() if out_channels is None else nn.Conv2d(lr_channels, out_channels, 1)

    def forward(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Tensor:
        return self.project(self.fusion(lr_feat, hr_feat)[0])

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside | None:
        return self.fusion.inside(lr_feat, hr_feat)


def build_upsampler(
    cfg: str | type | Mapping[str, Any],
    lr_channels: int,
    hr_channels: int,
    out_channels: int | None = None,
    **offered,
) -> nn.Module:
    """Build an upsampling for a network of your own: `forward(lr_feat, hr_feat) -> lr_up`.

    Args:
        cfg: see `read_upsample_cfg`. Of a fusion, the upsampled map alone.
        lr_channels: channels of `lr_feat` [B, lr_channels, h, w].
        hr_channels: channels of `hr_feat` [B, hr_channels, H, W], which guides, and has the size to reach. Without
            guide, `hr_feat` may be left out: the size is `scale_factor` times that of `lr_feat`.
        out_channels: of the result, by a 1x1 convolution after it; None: `lr_channels`.
        offered: see `build_fusion`.

    Returns:
        A module whose result is [B, out_channels, H, W].

    Example:
        >>> import torch
        >>> upsample = build_upsampler('FreqFusion', lr_channels=64, hr_channels=32, out_channels=32)
        >>> upsample(torch.rand(1, 64, 7, 7), torch.rand(1, 32, 14, 14)).shape
        torch.Size([1, 32, 14, 14])
    """
    fusion = build_fusion(cfg, lr_channels, hr_channels, keep_hr=False, **offered)
    return _Upsampling(fusion, lr_channels, out_channels)


def option_names(cfg: str | type | Mapping[str, Any]) -> list[str]:
    """The options of the upsampler that a config names."""
    kind, _ = read_upsample_cfg(cfg)
    return [name for name in inspect.signature(kind).parameters if name not in _CALLERS]


def _plain(name: str) -> str:
    return name.lower().replace('_', '').replace('-', '').replace(' ', '')


def _imported(path: str) -> type[nn.Module] | None:
    module, _, name = path.rpartition('.')
    try:
        return getattr(import_module(module), name, None) if module else None
    except ModuleNotFoundError as error:
        if not f'{module}.'.startswith(f'{error.name}.'):  # the module is there, and what it imports is not
            raise
        return None


def _is_module(path: str) -> bool:
    try:
        return find_spec(path) is not None
    except ModuleNotFoundError:
        return False


def _check_upsampler(kind: Callable, parameters: Mapping[str, inspect.Parameter]) -> None:
    named = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    try:
        inspect.Signature(list(parameters.values())).bind(0, 0)
        if any(given != wanted for given, wanted in zip(named, ('lr_channels', 'hr_channels'))):
            raise TypeError(f'it starts with {", ".join(named[:2])}')
    except TypeError as error:
        raise TypeError(
            f'{kind.__name__} is no upsampler: the channels of the two maps, (lr_channels, hr_channels), must be all '
            f'that its constructor needs, but {error}; if a stock config names it, give '
            "upsample_cfg=dict(type='FreqFusion'), or another of ours, in its place"
        ) from None


def _anothers(kind: type[nn.Module], names: list[str]) -> str:
    """What to do where a config changes the type alone, and merges with the options of the one before."""
    others = [key for key, other in UPSAMPLERS.items() if set(names) <= set(inspect.signature(other).parameters)]
    if not others:
        return ''
    return (
        f'. If they are those of {others[0]}, which a base config names, replace the whole, '
        f'upsample_cfg={kind.__name__!r}, or add _delete_=True'
    )


def _hint(kind: type[nn.Module], name: str, known: list[str]) -> str:
    translations = (*_MMCV_OPTIONS.get(name, ()), getattr(kind, 'reference_args', {}).get(name))
    same = next((ours for ours in translations if ours in known), None)
    if same is not None:
        return f' (which is {same} here)'
    if name == 'scale_factor':
        return ' (the ratio is that of the two maps)'
    near = get_close_matches(name, known, n=1)
    return f' (did you mean {near[0]}?)' if near else ''
