"""What is measured: one entry for every op, layer, neck and model."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

from freqfusion_mm import ops
from freqfusion_mm.layers import UPSAMPLERS, find_upsampler
from freqfusion_mm.ops.reassembly import matmul as reassembly_matmul

from .ways import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Case:
    """An entry, made on a device. `run(way)` computes it; gradients are those of `inputs` and `parameters`."""

    run: Callable[[str], tuple[Tensor, ...]]
    inputs: list[Tensor]
    parameters: list[Tensor]
    grads: list[Tensor] = field(default_factory=list)  # of the outputs; made once, by the first backward pass
    setting: Callable[[], AbstractContextManager] = nullcontext  # open during both passes


@dataclass(frozen=True)
class Entry:
    """What is measured, before it is made."""

    name: str
    kind: str  # 'op', 'layer', 'neck' or 'model'
    shape: str
    make: Callable[[torch.device, torch.dtype], Case]
    ways: tuple[str, ...] = ('ours', 'unfold')


def _tensors(shapes: list[tuple[int, ...]], device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(device, dtype).requires_grad_() for shape in shapes]


def operator(
    name: str,
    shapes: list[tuple[int, ...]],
    label: str,
    *args,
    normalised: int | None = None,
    setting: Callable[[], AbstractContextManager] = nullcontext,
) -> Entry:
    """An op over tensors of these shapes; `normalised`: the argument that is a kernel and sums to one."""

    def make(device: torch.device, dtype: torch.dtype) -> Case:
        inputs = _tensors(shapes, device, dtype)
        if normalised is not None:
            inputs[normalised] = inputs[normalised].detach().softmax(dim=1).requires_grad_()

        def run(way: str) -> tuple[Tensor, ...]:
            with ops.implementation(FUNCTIONS[way]):
                return (getattr(ops, name)(*inputs, *args),)

        return Case(run, inputs, [], setting=setting)

    ways = ('ours', 'unfold', 'mmcv') if name == 'carafe' else ('ours', 'unfold')
    return Entry(f'{name} {label}'.strip(), 'op', ', '.join('x'.join(map(str, shape)) for shape in shapes), make, ways)


def _module(
    name: str,
    kind: str,
    build: Callable[[], nn.Module],
    shapes: list[tuple[int, ...]],
    call: Callable[[nn.Module, list[Tensor]], object] | None = None,
) -> Entry:

    def make(device: torch.device, dtype: torch.dtype) -> Case:
        torch.manual_seed(0)
        module = build().to(device, dtype)
        inputs = _tensors(shapes, device, dtype)

        @cache
        def module_of(way: str) -> Callable:
            return torch.compile(module, fullgraph=True) if way == 'compiled' else module

        def run(way: str) -> tuple[Tensor, ...]:
            with ops.implementation(FUNCTIONS[way]):
                out = call(module_of(way), inputs) if call else module_of(way)(*inputs)
            return tuple(out) if isinstance(out, (tuple, list)) else (out,)

        return Case(run, inputs, [p for p in module.parameters() if p.requires_grad])

    ways = ('ours', 'unfold') if 'ReSFU' in name else ('ours', 'unfold', 'mmcv')
    return Entry(name, kind, ', '.join('x'.join(map(str, shape)) for shape in shapes), make, ways)


def _neck(upsampler: str, **options) -> nn.Module:
    from freqfusion_mm.models.necks import FusionFPN

    return FusionFPN([256, 512, 1024, 2048], 256, 4, upsample_cfg=dict(type=upsampler, **options))


def _model(config: str, **options) -> nn.Module:
    from mmengine.config import Config
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import MODELS, init_default_scope

    import freqfusion_mm.registration  # noqa: F401

    cfg = Config.fromfile(ROOT / 'configs' / config)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    cfg.model.pretrained = None
    cfg.model.decode_head.upsample_cfg.update(options)
    with redirect_stdout(StringIO()):
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
    return model.eval()


def freqfusion(lr: tuple[int, ...], hr: tuple[int, ...], **options) -> Entry:
    """The layer at a size; also what the scaling curves are made of."""
    return _module('FreqFusion', 'layer', lambda: UPSAMPLERS['FreqFusion'](lr[1], hr[1], **options), [lr, hr])


def resfu(lr: tuple[int, ...], hr: tuple[int, ...], **options) -> Entry:
    return _module('ReSFU', 'layer', lambda: UPSAMPLERS['ReSFU'](lr[1], hr[1], **options), [lr, hr])


def upsampler(name: str, lr: tuple[int, ...], hr: tuple[int, ...]) -> Entry:
    """A layer with its defaults, by a name that `upsample_cfg` takes."""
    layer = find_upsampler(name)
    return _module(layer.__name__, 'layer', lambda: layer(lr[1], hr[1]), [lr, hr])


PYRAMID = [(1, 256, 64, 64), (1, 512, 32, 32), (1, 1024, 16, 16), (1, 2048, 8, 8)]


def fpn(upsampler: str, **options) -> Entry:
    return _module(
        f'FusionFPN {upsampler}', 'neck', lambda: _neck(upsampler, **options), PYRAMID, lambda neck, maps: neck(maps)
    )


def segformer(upsampler: str, **options) -> Entry:
    name = upsampler.lower()
    config = f'{name}/segformer_mit-b1_{name}_8xb2-160k_ade20k-512x512.py'
    return _module(
        f'SegFormer-B1 {upsampler}',
        'model',
        lambda: _model(config, **options),
        [(1, 3, 256, 256)],
        lambda model, images: model(images[0], mode='tensor'),
    )


#: The shapes of the CPU goals.
GOALS = [
    freqfusion((1, 256, 64, 64), (1, 256, 128, 128), compressed_channels=64),
    resfu((1, 256, 32, 32), (1, 256, 128, 128)),
]

#: Beside the layers.
OPERATORS = [
    operator('carafe', [(1, 256, 64, 64), (1, 25, 128, 128)], 'x2 k5', 5, normalised=1),
    operator('carafe', [(1, 256, 128, 128), (1, 9, 128, 128)], 'x1 k3', 3, normalised=1),
    operator('carafe', [(1, 256, 8, 8), (1, 25, 16, 16)], 'x2 k5 small', 5, normalised=1),
    operator('fns_attention', [(1, 9, 128, 128), (1, 256, 32, 32)], 'x4 k3', 3, normalised=0),
    operator('fns_attention', [(1, 9, 128, 128), (1, 256, 64, 64)], 'x2 k3', 3, normalised=0),
    operator('window_similarity', [(1, 32, 128, 128), (1, 32, 64, 64)], 'x2 k5', 5),
    operator('normalize_kernels', [(1, 25, 128, 128)], 'hamming k5', 5, ops.hamming_window(5)),
    operator('neighbour_similarity', [(1, 64, 128, 128)], ''),
]
NETWORKS = [fpn('FreqFusion'), fpn('ReSFU'), segformer('FreqFusion'), segformer('ReSFU')]


def entries(only: Iterable[str] | None = None) -> list[Entry]:
    """What is measured, every registered upsampler in it.

    Args:
        only: words; entries whose names hold one of them, and the upsamplers that they name, also by an import path.

    Raises:
        ValueError: a word that is in no name, and names no upsampler.
    """
    goals = {entry.name for entry in GOALS}
    layers = [_at_x2(name) for name, kind in UPSAMPLERS.items() if kind.__name__ not in goals]
    everything = [*GOALS, *OPERATORS, *layers, *NETWORKS]
    if only is None:
        return everything
    chosen = []
    for word in only:
        named = [entry for entry in everything if word.lower() in entry.name.lower()]
        chosen += named or [replace(_at_x2(word), name=word)]
    return list({entry.name: entry for entry in chosen}.values())


def _at_x2(name: str) -> Entry:
    return upsampler(name, (1, 256, 64, 64), (1, 256, 128, 128))


#: What grows, and FreqFusion at every step of it; the rest stays at 64 channels, 32x32 to 64x64, batch 1, k=5.
SCALING = {
    'pixels': [
        (4 * side**2, freqfusion((1, 64, side, side), (1, 64, 2 * side, 2 * side))) for side in (16, 32, 64, 128)
    ],
    'channels': [(c, freqfusion((1, c, 32, 32), (1, c, 64, 64), compressed_channels=16)) for c in (32, 64, 128, 256)],
    'kernel': [(k, freqfusion((1, 64, 32, 32), (1, 64, 64, 64), lowpass_kernel=k)) for k in (3, 5, 7, 9)],
    'batch': [(n, freqfusion((n, 64, 32, 32), (n, 64, 64, 64))) for n in (1, 2, 4, 8)],
}


def _stepped(mib: float) -> Entry:
    """Reassembly through so many channels at a time that their float32 windows take this much, at least one channel."""
    step = dict(_STEP_ELEMENTS=int(mib * 2**18), _STEP_CHANNELS=1)
    return operator(
        'carafe',
        [(1, 256, 64, 64), (1, 25, 128, 128)],
        'x2 k5',
        5,
        normalised=1,
        setting=lambda: patch.multiple(reassembly_matmul, **step),
    )


#: What trades memory for time: channels taken a few at a time, and activations computed again in the backward pass.
TRADES = {
    'carafe, MiB a step': [(mib, _stepped(mib)) for mib in (0.0625, 0.25, 1, 4, 16)],
    'one fusion, with_cp': [
        (with_cp, freqfusion((1, 64, 64, 64), (1, 64, 128, 128), with_cp=bool(with_cp))) for with_cp in (0, 1)
    ],
    'FusionFPN, with_cp': [(with_cp, fpn('FreqFusion', with_cp=bool(with_cp))) for with_cp in (0, 1)],
    'SegFormer-B1, with_cp': [(with_cp, segformer('FreqFusion', with_cp=bool(with_cp))) for with_cp in (0, 1)],
}

for curves in (SCALING, TRADES):
    for what, steps in curves.items():
        curves[what] = [(value, replace(entry, name=f'{entry.name} {what}={value}')) for value, entry in steps]


def entry_of(name: str) -> Entry:
    """The entry of a name, also of a curve."""
    on_curves = [entry for steps in (SCALING | TRADES).values() for _, entry in steps]
    named = {entry.name: entry for entry in (*on_curves, *entries())}
    return named.get(name) or entries([name])[0]
