"""Counters of operations see the operators, by the formula of `freqfusion_mm.ops.flops`."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import freqfusion_mm.ops.flops  # noqa: F401  (tells torch's counter of our operators)
from freqfusion_mm.layers import FreqFusion
from freqfusion_mm.ops.library import CAN_REGISTER
from freqfusion_mm.ops.reassembly import carafe, fns_attention, window_similarity

CONFIG = Path(__file__).parents[2] / 'configs/shapes/segformer_r18-slim_freqfusion_1xb8-1500i_shapes-128x128.py'

pytestmark = pytest.mark.skipif(not CAN_REGISTER, reason='torch registers Python operators from 2.4 on')


def test_torch_counts_both_passes():
    features = torch.randn(2, 8, 5, 6, requires_grad=True)
    masks = torch.randn(2, 9, 10, 13, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        out = carafe(features, masks, 3)
    assert counter.get_total_flops() == 2 * 2 * 8 * 10 * 13 * 9
    with FlopCounterMode(display=False) as counter:
        out.sum().backward()
    assert counter.get_total_flops() == 2 * 2 * (2 * 8 * 10 * 13 * 9)
    for leaf in (features, masks):  # of one gradient alone half of it
        given = [each if each is leaf else each.detach() for each in (features, masks)]
        out = carafe(*given, 3)
        with FlopCounterMode(display=False) as counter:
            out.sum().backward()
        assert counter.get_total_flops() == 2 * 2 * 8 * 10 * 13 * 9
    with FlopCounterMode(display=False) as counter:
        fns_attention(masks, features, 3)
    smear = 2 * 3 * 3 + 2 * 3 * 4
    assert counter.get_total_flops() == 2 * 2 * 10 * 13 * (8 * 16 + smear)

    query, key = (torch.randn(2, 8, *size, requires_grad=True) for size in ((10, 13), (5, 6)))
    with FlopCounterMode(display=False) as counter:
        window_similarity(query, key, 3).sum().backward()
    assert counter.get_total_flops() == 3 * (2 * 2 * 8 * 10 * 13 * 9)


def reassemblies(fusion, fine):
    """Multiply-adds of the five reassemblies of a FreqFusion with initial fusion."""
    low, high = fusion.lowpass_kernel**2, fusion.highpass_kernel**2
    compressed = fusion.lr_compressor.out_channels
    channels = low * (low + high + fusion.lr_channels) + high * (compressed + fusion.hr_channels)
    return channels * fine[0] * fine[1]


@pytest.fixture
def analysis():
    """mmengine's counter, told of our operators."""
    found = pytest.importorskip('mmengine.analysis', reason='the counter is that of mmengine')
    import freqfusion_mm.registration  # noqa: F401

    return found


def test_mmengine_counts_freqfusion(analysis):
    fusion = FreqFusion(16, 12, compressed_channels=8).eval()
    result = analysis.get_model_complexity_info(
        fusion, inputs=(torch.randn(1, 16, 5, 6), torch.randn(1, 12, 10, 12)), show_table=False, show_arch=False
    )
    by_operator = analysis.FlopAnalyzer(fusion, (torch.randn(1, 16, 5, 6), torch.randn(1, 12, 10, 12))).by_operator()
    assert by_operator['carafe'] == reassemblies(fusion, (10, 12))
    assert result['flops'] == sum(by_operator.values())


def test_mmengine_counts_a_whole_segmentor(analysis):
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope('mmseg')
    cfg = Config.fromfile(CONFIG)
    model = MODELS.build(cfg.model).eval()
    sizes = {}
    for name, module in model.named_modules():
        if isinstance(module, FreqFusion):
            module.register_forward_hook(
                lambda module, args, out, name=name: sizes.update({name: (module, tuple(out[0].shape[-2:]))})
            )
    image = torch.randn(1, 3, 64, 96)
    by_operator = analysis.FlopAnalyzer(model, (image,)).by_operator()
    assert sizes and by_operator['carafe'] == sum(reassemblies(*step) for step in sizes.values())
    result = analysis.get_model_complexity_info(model, inputs=(image,), show_table=False, show_arch=False)
    assert result['flops'] == sum(by_operator.values())
