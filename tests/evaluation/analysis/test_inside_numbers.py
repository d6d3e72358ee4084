"""Numbers of kernels and offsets against literal loops."""

import math

import pytest
import torch

from freqfusion_mm.evaluation.analysis.inside_numbers import (
    entropy,
    logit_rms,
    numbers,
    offset_lengths,
    sampling_places,
    share_outside,
    troubles,
)
from freqfusion_mm.layers import Inside

COARSE, FINE, K = (3, 4), (6, 9), 3


@pytest.fixture
def inside():
    logits = 3 * torch.randn(1, 2, K, K, *FINE, dtype=torch.float64)
    kernels = logits.flatten(2, 3).softmax(dim=2).unflatten(2, (K, K))
    return Inside(COARSE, kernels, logits, offsets=4 * torch.randn(1, 2, 2, *FINE, dtype=torch.float64))


def pixels(tensor):
    """Each group and pixel."""
    for g in range(2):
        for y in range(FINE[0]):
            for x in range(FINE[1]):
                yield g, y, x


def test_entropy_and_rms(inside):
    found, rms = entropy(inside.kernels), logit_rms(inside.logits)
    for g, y, x in pixels(inside):
        weights = [float(inside.kernels[0, g, i, j, y, x]) for i in range(K) for j in range(K)]
        logits = [float(inside.logits[0, g, i, j, y, x]) for i in range(K) for j in range(K)]
        mean = sum(logits) / len(logits)
        assert found[0, g, y, x] == pytest.approx(-sum(w * math.log(w) for w in weights) / math.log(K * K))
        assert rms[0, g, y, x] == pytest.approx(math.sqrt(sum((z - mean) ** 2 for z in logits) / len(logits)))


def test_entropy_of_extremes():
    single = torch.zeros(1, 1, 3, 3, 1, 1)
    single[0, 0, 1, 1] = 1
    assert entropy(single).item() == 0
    assert entropy(torch.full((1, 1, 5, 5, 1, 1), 1 / 25)).item() == pytest.approx(1)
    assert entropy(torch.ones(1, 1, 1, 1, 2, 2)).tolist() == [[[[1, 1], [1, 1]]]]


def test_offsets(inside):
    lengths, places = offset_lengths(inside.offsets), sampling_places(inside.offsets, COARSE)
    out, total, longest = 0, 0.0, 0.0
    for g, y, x in pixels(inside):
        dx, dy = inside.offsets[0, :, g, y, x].tolist()
        assert lengths[0, g, y, x] == pytest.approx(math.sqrt(dx * dx + dy * dy))
        place_x = (x + 0.5) * COARSE[1] / FINE[1] - 0.5 + dx
        place_y = (y + 0.5) * COARSE[0] / FINE[0] - 0.5 + dy
        assert places[0, :, g, y, x].tolist() == pytest.approx([place_x, place_y])
        out += not (-1.5 <= place_x <= COARSE[1] + 0.5 and -1.5 <= place_y <= COARSE[0] + 0.5)
        total, longest = total + math.hypot(dx, dy), max(longest, math.hypot(dx, dy))
    count = 2 * FINE[0] * FINE[1]
    assert 0 < out < count
    assert share_outside(inside.offsets, COARSE) == pytest.approx(out / count)
    found = numbers(inside)
    assert found['offset_mean'] == pytest.approx(total / count) and found['offset_max'] == pytest.approx(longest)
    assert found['offset_share'] == pytest.approx(total / count / 3)
    assert found['outside'] == pytest.approx(out / count)


def test_numbers_of_what_there_is(inside):
    assert set(numbers(inside)) == {
        'logit_rms', 'kernel_entropy', 'offset_mean', 'offset_max', 'offset_share', 'outside'
    }  # fmt: skip
    assert set(numbers(Inside(COARSE, inside.kernels))) == {'kernel_entropy'}
    assert numbers(Inside(COARSE)) == {}


def test_zero_offsets_stay_inside():
    assert share_outside(torch.zeros(1, 2, 1, 4, 4), (2, 2)) == 0
    assert share_outside(torch.full((1, 2, 1, 4, 4), torch.nan), (2, 2)) == 1


def test_troubles():
    assert troubles(dict(kernel_entropy=0.5, logit_rms=1.0, outside=0.0)) == {}
    assert 'diverged' in troubles(dict(kernel_entropy=float('nan'), logit_rms=float('nan')))['collapse']
    assert 'not finite' in troubles(dict(high_frequency=float('nan')))['collapse']
    found = troubles(
        dict(kernel_entropy=0.03, logit_rms=40.0, outside=0.4, offset_mean=7.25, offset_max=75.0, offset_share=0.5)
    )
    assert 'entropy is 0.03' in found['collapse'] and 'rms of 40.0' in found['collapse']
    assert 'logits' not in troubles(dict(kernel_entropy=0.03))['collapse']  # kernels that are made of no logits
    assert '40 % of the samples' in found['offsets'] and 'average 7.2 pixels' in found['offsets']


def test_troubles_begin_at_a_tenth():
    harmless = dict(offset_mean=1.0, offset_max=2.0)
    assert troubles(dict(kernel_entropy=0.11, outside=0.09, **harmless)) == {}
    assert set(troubles(dict(kernel_entropy=0.09, outside=0.11, **harmless))) == {'collapse', 'offsets'}
