"""One module of the zoos against our twin: swapped by the line, equal for its own interpolation, and trained a step."""

from dataclasses import replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from .walk import Place, buildable

_EVEN, _ODD = (16, 24), (19, 27)


def check(place: Place, scope: str, upsample_cfg: str | None = 'FreqFusion') -> tuple[str, str]:
    """Compare a stock module with our twin.

    The line goes through mmengine's own merging, so that what a config inherits (`mode`, CARAFE's options) is met. The
    stock module's weights are loaded strictly; both see the same random maps. The step is one of the module alone, at
    an odd size, with every upsampled feature in the loss.

    Args:
        place: one with a twin.
        scope: 'mmdet' or 'mmseg'.
        upsample_cfg: the upsampler of the step; None: no step.

    Returns:
        (equal, trains): 'yes', '' where not asked, or what went wrong.
    """
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope(scope):
        equal = _answer(lambda: _compare(place))
        trains = '' if upsample_cfg is None else _answer(lambda: _train(place, upsample_cfg))
    return equal, trains


def swap(place: Place, upsample_cfg: str) -> dict[str, Any]:
    """The module's config after the line."""
    from mmengine.config import Config

    here = replace(place, path='module')
    config = Config(dict(module=buildable(place.cfg)))
    config.merge_from_dict(here.line(upsample_cfg))
    return config.module


def _answer(question) -> str:
    try:
        return question() or 'yes'
    except Exception as error:  # anything that a stock module may raise is a result here
        return ' '.join(f'{type(error).__name__}: {error}'.split())[:200]


def _build(cfg: dict[str, Any]) -> nn.Module:
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS

    torch.manual_seed(0)
    with MODELS.switch_scope_and_registry(None) as registry:
        return registry.build(ConfigDict(cfg))


def _compare(place: Place) -> str:
    stock = _build(buildable(place.cfg))
    ours = _build(swap(place, _stock_upsampling(place)))
    ours.load_state_dict(stock.state_dict())
    results = []
    for module in (stock, ours):
        module.eval()
        torch.manual_seed(0)  # inputs, and the Hamburger's bases
        with torch.no_grad():
            inputs = _inputs(place, _EVEN)
            if place.stock == 'RFP':  # its random backbone's numbers leave single precision
                module.double()
                inputs = ([x.double() for x in inputs[0]],)
            results.append(_flat(module(*inputs)))
    if len(results[0]) != len(results[1]):
        return f'{len(results[0])} maps in stock, {len(results[1])} in ours'
    if not all(out.isfinite().all() for out in results[0]):
        return 'the numbers of stock are not finite'  # and equal nothing
    if all(map(torch.equal, *results)):
        return ''
    differences = [(a - b).abs().max().item() if a.shape == b.shape else float('inf') for a, b in zip(*results)]
    return f'differs by {max(differences):.1e}' if all(map(isfinite, differences)) else 'differs in shape, or by NaN'


def _train(place: Place, upsample_cfg: str) -> str:
    module = _build(swap(place, upsample_cfg))
    module.train()
    torch.manual_seed(0)
    outs = _flat(module(*_inputs(place, _ODD)))
    sum(out.float().square().mean() for out in outs if out.is_floating_point()).backward()
    idle = [name for name, weight in module.fusions.named_parameters() if weight.grad is None]
    return f'no gradient: {", ".join(idle[:3])}' if idle else ''


def _stock_upsampling(place: Place) -> str:
    given = place.cfg.get('upsample_cfg') or {}
    if place.stock == 'UNet':  # InterpConv
        return place.twin.interpolation
    return given.get('type') or given.get('mode') or place.twin.interpolation


def _inputs(place: Place, size: tuple[int, int]) -> tuple:
    cfg, takes = place.cfg, place.twin.takes
    if takes == 'image':
        factor = {'UNet': 2, 'HRNet': 4}.get(place.stock, 6)
        return (torch.randn(2, cfg.get('in_channels', 3), factor * size[0], factor * size[1]),)
    if takes == 'vectors':
        return (torch.randn(3, cfg['in_channels']),)
    if takes == 'regions':
        channels = cfg.get('in_channels', 256)
        regions = torch.randn(3, channels, 14, 14)
        return (regions, torch.randn(3, channels)) if place.stock == 'DynamicMaskHead' else (regions,)
    if takes == 'levels':
        return _levels(place, size)
    if takes == 'plain':
        channels = cfg.get('in_channels') or [cfg['embed_dim']] * len(cfg.get('rescales', range(4)))
        return ([torch.randn(2, width, *size) for width in channels],)
    if takes == 'tokens':
        return _tokens(place, size)
    if takes == 'pyramid':
        channels = [cfg['in_channels']] if isinstance(cfg['in_channels'], int) else list(cfg['in_channels'])
        factor = {'FPG': 2 ** (1 + cfg.get('start_level', 0)), 'NASFPN': 4}.get(place.stock, 1)  # their extra levels
        size = (factor * size[0], factor * size[1])
        return (_pyramid(channels[::-1] if place.stock == 'YOLOV3Neck' else channels, size),)
    if takes == 'pyramid and image':
        size = (2 * size[0] - size[0] % 2, 2 * size[1] - size[1] % 2)  # its second backbone reflects two pixels
        return ([torch.randn(2, 3, 4 * size[0], 4 * size[1]), *_pyramid(cfg['in_channels'], size)],)
    if takes == 'decoder':
        levels = _pyramid(cfg['in_channels'], size)
        metas = [dict(batch_input_shape=[4 * side for side in size], img_shape=[4 * side for side in size])] * 2
        return (levels,) if place.stock == 'MSDeformAttnPixelDecoder' else (levels, metas)
    indices, channels = cfg['in_index'], cfg['in_channels']
    if isinstance(indices, int):
        indices, channels = [0, indices if indices >= 0 else indices + 4], [cfg.get('c1_in_channels', 8), channels]
    # the pooling of the first wants 49 pixels of the coarsest, the convolution of the second pads by one
    factor = {'LRASPPHead': 14, 'PSAHead': 4}.get(place.stock, 1)
    maps = _pyramid([8] * (max(indices) + 1), (factor * size[0], factor * size[1]))
    for index, width in zip(indices, channels):
        plain = place.stock == 'SETRMLAHead'  # a plain transformer's levels have one size
        maps[index] = torch.randn(2, width, *(size if plain else maps[index].shape[2:]))
    if place.stock == 'OCRHead':
        return maps, torch.randn(2, cfg['num_classes'], *maps[indices[0]].shape[2:])
    return (maps,)


#: What says how many levels a head reads.
_COUNTED_BY = ('num_ins', 'num_levels', 'end_level', 'num_grids', 'anchor_generator')


def _levels(place: Place, size: tuple[int, int]) -> tuple:
    """The maps of a pyramid neck; YOLACT's coefficients beside them."""
    from mmengine.structures import InstanceData

    cfg = place.cfg
    said = next((cfg[name] for name in _COUNTED_BY if name in cfg), 4)
    count = said if isinstance(said, int) else len(said['strides'] if isinstance(said, dict) else said)
    maps = _pyramid([cfg.get('in_channels', 256)] * count, size)
    if place.stock == 'YOLACTProtonet':
        return maps, [InstanceData(coeffs=torch.randn(3, cfg.get('num_protos', 32))) for _ in maps[0]]
    return (maps,)


def _tokens(place: Place, size: tuple[int, int]) -> tuple:
    """A plain transformer's maps with their class tokens; SAN's image and classes around them."""
    if place.stock == 'DPTHead':
        width = place.cfg['embed_dims']
        return ([(torch.randn(2, width, *size), torch.randn(2, width)) for _ in place.cfg['in_channels']],)
    adapter, masks = place.cfg['san_cfg'], place.cfg['maskgen_cfg']
    width, coarse = adapter['clip_channels'], [-(-side // 2) for side in size]
    maps = [(torch.randn(2, width, *coarse), torch.randn(2, width)) for _ in adapter['fusion_index']]
    image = torch.randn(2, 3, *(adapter['patch_size'] * side for side in size))
    return (image, maps, torch.randn(place.cfg['num_classes'], masks['out_dims'])), []


def _pyramid(channels: list[int], size: tuple[int, int]) -> list[Tensor]:
    return [torch.randn(2, width, *(-(-side // 2**i) for side in size)) for i, width in enumerate(channels)]


def _flat(outs: Any) -> list[Tensor]:
    if isinstance(outs, Tensor):
        return [outs]
    parts = outs.values() if isinstance(outs, dict) else outs
    return [out for part in parts for out in _flat(part)] if isinstance(outs, (dict, list, tuple)) else []
