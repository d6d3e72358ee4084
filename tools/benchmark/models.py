"""What an upsampler costs a whole model: parameters, multiply-adds, time and memory, as ratios to the stock model.

The models are those of `configs/_base_/models`, the upsamplers those of `configs/_base_/upsamplers`, with random
weights and images. Stock and all upsamplers take turns in one process, so that a machine that slows down slows all.
"""

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from freqfusion_mm.layers.registry import find_upsampler

from .measure import quartiles

ROOT = Path(__file__).resolve().parents[2] / 'configs/_base_'
STOCK = 'stock'
FIELDS = (
    'model',
    'size',
    'upsampler',
    'status',
    'params_m',
    'multiply_adds_g',
    'forward_ms',
    'step_ms',
    'peak_mib',
    'forward_ratio',
    'forward_low',
    'forward_high',
    'step_ratio',
    'step_low',
    'step_high',
    'peak_ratio',
    'recomputed_peak_ratio',
    'rounds',
)


@dataclass(frozen=True)
class Model:
    """A model of the tables.

    Args:
        name: in the table.
        config: of `configs/_base_/models`; as it stands there it is the stock model.
        place: where in it `upsample_cfg` is.
        released: upsampler -> the options that were released for this model, where they are not the general ones.
        part: 'pixel decoder' for the backbone and the pixel decoder without the transformer behind them.
    """

    name: str
    config: str
    place: str
    released: tuple[tuple[str, str], ...] = ()
    part: str = ''


MODELS = (
    Model('SegFormer-B0', 'segformer_mit-b0', 'decode_head', (('freqfusion', 'freqfusion_segformer'),)),
    Model('SegFormer-B1', 'segformer_mit-b1', 'decode_head', (('freqfusion', 'freqfusion_segformer'),)),
    Model('SegNeXt-T', 'segnext_mscan-t', 'decode_head', (('freqfusion', 'freqfusion_segnext'),)),
    Model('UPerNet-R50', 'upernet_r50', 'decode_head'),
    Model(
        'Mask2Former-R50 pixel decoder',
        'mask2former_r50',
        'decode_head.pixel_decoder',
        (('freqfusion', 'freqfusion_mask2former'),),
        'pixel decoder',
    ),
    Model('Faster R-CNN-R50', 'faster-rcnn_r50_fusion-fpn', 'neck'),
    Model('Panoptic FPN-R50', 'panoptic-fpn_r50_fusion-fpn', 'neck'),
    Model('YOLOX-Nano', 'yolox-nano', 'neck'),
)
#: The presets for any model; those of one model have its name behind an underscore.
UPSAMPLERS = tuple(sorted(file.stem for file in (ROOT / 'upsamplers').glob('*.py') if '_' not in file.stem))
SIZES = (256, 512)
#: Proposals for each pixel of an image: the usual thousand of 800x1333.
PROPOSAL_DENSITY = 1000 / (800 * 1333)


class _PixelDecoder(nn.Module):
    """The backbone and the pixel decoder of a Mask2Former."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.pixel_decoder = model.decode_head.pixel_decoder

    def forward(self, images: Tensor) -> list[Tensor]:
        mask_feature, memory = self.pixel_decoder(self.backbone(images))
        return [mask_feature, *memory]


@dataclass
class Built:
    """A model that is ready to be measured."""

    module: nn.Module
    forward: Callable[[], Any]
    step: Callable[[], None]


def build(model: Model, upsampler: str, size: int, batch: int, device: torch.device, with_cp: bool = False) -> Built:
    """The model with this upsampler, its forward pass without gradients, and its training step with plain SGD."""
    from mmengine.config import Config
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import MODELS as REGISTRY
    from mmengine.registry import DefaultScope

    import freqfusion_mm.registration  # noqa: F401

    cfg = Config.fromfile(ROOT / f'models/{model.config}.py').model
    cfg.backbone.pop('init_cfg', None)
    if upsampler != STOCK:
        place = cfg
        for name in model.place.split('.'):
            place = place[name]
        place.upsample_cfg = _options(model, upsampler)
        if with_cp:
            place.upsample_cfg.with_cp = True
    scope = 'mmseg' if cfg.type == 'EncoderDecoder' else 'mmdet'
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope), redirect_stdout(StringIO()):
        module = revert_sync_batchnorm(REGISTRY.build(cfg))
    if model.part:
        module = _PixelDecoder(module)
    if hasattr(module, 'rpn_head'):
        _fix_proposals(module, size, batch, device)
    module = module.to(device)
    images = torch.randn(batch, 3, size, size, device=device)
    if model.part:
        inputs = [images]
        loss = lambda: sum(map_.square().mean() for map_ in module(images))  # noqa: E731
    else:
        samples = _samples(cfg, scope, size, batch, device)
        inputs = [images, samples]
        loss = partial(_loss, module, images, samples)
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=1e-6)

    def forward() -> Any:
        module.eval()
        with torch.no_grad():
            return module(*inputs)

    def step() -> None:
        module.train()
        loss().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return Built(module, forward, step)


def _options(model: Model, upsampler: str) -> dict[str, Any]:
    """Those of a preset, as released for this model if they were; of any other upsampler its own defaults."""
    from mmengine.config import Config, ConfigDict

    file = ROOT / f'upsamplers/{dict(model.released).get(upsampler, upsampler)}.py'
    return Config.fromfile(file).upsample_cfg if file.exists() else ConfigDict(type=upsampler)


def _fix_proposals(module: nn.Module, size: int, batch: int, device: torch.device) -> None:
    """The second stage sees the same boxes whatever the upsampler: of random weights each would propose others."""
    from mmengine.structures import InstanceData

    number = max(1, round(PROPOSAL_DENSITY * size**2))
    random = torch.Generator().manual_seed(0)
    begin, extent = torch.rand(2, batch, number, 2, generator=random)
    begin = 0.9 * size * begin
    boxes = torch.cat((begin, begin + (0.1 * size + extent * (0.9 * size - begin))), dim=-1).to(device)

    def predict_by_feat(*outs: Any, **options: Any) -> list[InstanceData]:
        scores, labels = torch.ones(number, device=device), torch.zeros(number, dtype=torch.long, device=device)
        return [InstanceData(bboxes=each, scores=scores, labels=labels) for each in boxes]

    module.rpn_head.predict_by_feat = predict_by_feat


def _loss(module: nn.Module, images: Tensor, samples: list) -> Tensor:
    losses = module.loss(images, deepcopy(samples))
    return module.parse_losses(losses)[0]


def _samples(cfg, scope: str, size: int, batch: int, device: torch.device) -> list:
    """What is to be learned, at random."""
    from mmengine.structures import PixelData

    if scope == 'mmseg':
        from mmseg.structures import SegDataSample

        meta = dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size))
        classes = cfg.decode_head.num_classes
        labels = torch.randint(0, classes, (batch, 1, size // 32, size // 32), device=device)
        labels = labels.repeat_interleave(32, dim=-1).repeat_interleave(32, dim=-2)
        return [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta) for label in labels]
    from mmdet.testing import demo_mm_inputs

    options = dict(num_items=[5] * batch, with_mask=True, with_semantic=True, use_box_type=False)
    data = demo_mm_inputs(batch, [[3, size, size]] * batch, num_classes=50, **options)
    samples = [sample.to(device) for sample in data['data_samples']]
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=(size, size), pad_shape=(size, size)))
        sample.set_metainfo(dict(img_shape=(size, size), ori_shape=(size, size), scale_factor=(1.0, 1.0)))
    return samples


def multiply_adds(built: Built) -> float:
    """Of the forward pass, in 10^9: what torch counts, and the package's operators."""
    from torch.utils.flop_counter import FlopCounterMode

    import freqfusion_mm.ops.flops  # noqa: F401

    with FlopCounterMode(display=False) as counter:
        built.forward()
    return counter.get_total_flops() / 2e9


def peak_mib(built: Built, device: torch.device) -> float:
    """What a training step takes at its peak beyond what is held before it, gradients included."""
    gc.collect()  # what an earlier model left is not to be freed within the step
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        built.step()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        built.step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == '[memory]']
    held = peak = 0
    start = 'start_ns' if hasattr(torch._C._autograd._KinetoEvent, 'start_ns') else 'start_us'  # torch before 2.4
    for event in sorted(events, key=lambda event: getattr(event, start)()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


def _milliseconds(function: Callable[[], Any], device: torch.device) -> float:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    function()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - begin)


def measured(
    model: Model,
    upsamplers: Sequence[str],
    size: int,
    device: torch.device,
    rounds: int,
    batch: int = 2,
    make: Callable[..., Built] = build,
    seconds: float = float('inf'),
) -> list[dict[str, str]]:
    """A row for stock and one for each upsampler; what does not build or run has its reason in place of numbers.

    No round begins after `seconds`, but two are always taken.
    """
    built, rows = {}, {}
    for upsampler in (STOCK, *upsamplers):
        rows[upsampler] = dict(model=model.name, size=str(size), upsampler=upsampler, status='ok')
        try:
            each = make(model, upsampler, size, batch, device)
            rows[upsampler]['params_m'] = f'{sum(p.numel() for p in each.module.parameters()) / 1e6:.3f}'
            rows[upsampler]['multiply_adds_g'] = f'{multiply_adds(each) / batch:.4g}'
            each.step()
            rows[upsampler]['peak_mib'] = f'{peak_mib(each, device):.4g}'
            if upsampler != STOCK and (frugal := recomputing(partial(make, model, upsampler, size, batch, device))):
                ratio = peak_mib(frugal, device) / float(rows[STOCK]['peak_mib'])
                rows[upsampler]['recomputed_peak_ratio'] = f'{ratio:.3f}'
        except Exception as error:  # one that fails takes no row from the others
            if upsampler == STOCK:
                raise
            rows[upsampler]['status'] = f'{type(error).__name__}: {error}'.splitlines()[0][:160]
            continue
        built[upsampler] = each
    names = list(built)
    times: dict[str, dict[str, list[float]]] = {name: dict(forward=[], step=[]) for name in names}
    begin = time.perf_counter()
    for turn in range(rounds):
        if turn > 1 and time.perf_counter() - begin > seconds:
            break
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for what in ('forward', 'step'):
                times[name][what].append(_milliseconds(getattr(built[name], what), device))
    for name in names:
        rows[name] |= summary(times[name], times[STOCK])
        rows[name]['peak_ratio'] = f'{float(rows[name]["peak_mib"]) / float(rows[STOCK]["peak_mib"]):.3f}'
    return list(rows.values())


def recomputing(make: Callable[..., Built]) -> Built | None:
    """The model whose upsampler makes its activations again; None of one that has no such option."""
    try:
        return make(with_cp=True)
    except TypeError as error:
        if 'with_cp' not in str(error):
            raise
        return None


def summary(times: dict[str, list[float]], stock: dict[str, list[float]]) -> dict[str, str]:
    """Medians, and the ratios to stock of the same round: median and quartiles, of fewer than four rounds the range."""
    row = dict(rounds=str(len(times['forward'])))
    for what in ('forward', 'step'):
        ratios = [mine / theirs for mine, theirs in zip(times[what], stock[what], strict=True)]
        low, high = quartiles(ratios)
        row[f'{what}_ms'] = f'{median(times[what]):.4g}'
        row |= {f'{what}_ratio': f'{median(ratios):.3f}', f'{what}_low': f'{low:.3f}', f'{what}_high': f'{high:.3f}'}
    return row


def chosen(only: Iterable[str] | None) -> tuple[list[Model], list[str]]:
    """Models and upsamplers whose names are or else hold one of these words; of a kind that no word fits, all.

    A word may also name an upsampler that has no preset, or one of your own by its import path.

    Raises:
        ValueError: a word that names nothing.
    """
    models, upsamplers = [], []
    for word in only or ():
        named = [model for model in MODELS if word.lower() in model.name.lower()]
        if word.lower() in UPSAMPLERS:
            presets = [word.lower()]
        else:
            presets = [name for name in UPSAMPLERS if word.lower() in name]
        if not named and not presets:
            find_upsampler(word)
            presets = [word]
        models += named
        upsamplers += presets
    return list(dict.fromkeys(models)) or list(MODELS), list(dict.fromkeys(upsamplers)) or list(UPSAMPLERS)
