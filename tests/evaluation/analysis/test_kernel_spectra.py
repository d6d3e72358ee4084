"""Spectra of kernels against literal sums."""

import cmath
import math

import numpy as np
import pytest

from freqfusion_mm.evaluation.analysis.kernel_spectra import bandwidth, high_frequency_share, spectrum


def frequency(index, size):
    """In cycles a pixel, -1/2 to 1/2."""
    return (index if index < (size + 1) // 2 else index - size) / size


def response(kernel, size):
    """Magnitudes of the discrete Fourier transform, zero-padded, term by term."""
    out = np.zeros((size, size))
    for u in range(size):
        for v in range(size):
            total = 0
            for i, row in enumerate(kernel):
                for j, weight in enumerate(row):
                    total += weight * cmath.exp(-2j * math.pi * (u * i + v * j) / size)
            out[u, v] = abs(total)
    return out


@pytest.fixture
def kernels():
    weights = np.random.default_rng(0).random((3, 5, 5))
    return weights / weights.sum(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize('size', [8, 9])
def test_spectrum(kernels, size):
    found = spectrum(kernels, size)
    responses = [response(kernel, size) for kernel in kernels]
    mean = np.zeros((size, size))
    for u in range(size):
        for v in range(size):
            shifted = (u + size // 2) % size, (v + size // 2) % size
            mean[shifted] = sum(each[u, v] for each in responses) / len(responses)
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)

    rings = {}
    for number, each in enumerate(responses):
        for u in range(size):
            for v in range(size):
                ring = round(size * math.hypot(frequency(u, size), frequency(v, size)))
                if ring <= size // 2:
                    rings.setdefault((ring, number), []).append(each[u, v])
    for ring in range(size // 2 + 1):
        profiles = [sum(rings[ring, number]) / len(rings[ring, number]) for number in range(len(kernels))]
        average = sum(profiles) / len(profiles)
        assert found.frequencies[ring] == ring / size
        assert found.profile[ring] == pytest.approx(average)
        assert found.spread[ring] == pytest.approx(math.sqrt(sum((p - average) ** 2 for p in profiles) / len(profiles)))
    assert found.profile[0] == pytest.approx(1) and found.spread[0] == pytest.approx(0)


def test_parts_are_one(kernels, monkeypatch):
    whole = spectrum(kernels), bandwidth(kernels)
    monkeypatch.setattr('freqfusion_mm.evaluation.analysis.kernel_spectra.AT_ONCE', 2)
    parts = spectrum(kernels), bandwidth(kernels)
    for name in ('mean', 'profile', 'spread'):
        np.testing.assert_allclose(getattr(whole[0], name), getattr(parts[0], name))
    np.testing.assert_allclose(whole[1], parts[1])


def test_no_kernels():
    with pytest.raises(ValueError, match=r'wanted kernels \[N, k, k\].*got \[0, 5, 5\]'):
        spectrum(np.zeros((0, 5, 5)))
    with pytest.raises(ValueError, match='k up to 4'):
        spectrum(np.zeros((1, 5, 5)), size=4)


def test_bandwidth(kernels):
    size = 8
    for kernel, found in zip(kernels, bandwidth(kernels.reshape(3, 1, 5, 5), size).ravel()):
        power = response(kernel, size) ** 2
        weighted = sum(
            power[u, v] * (frequency(u, size) ** 2 + frequency(v, size) ** 2) for u in range(size) for v in range(size)
        )
        assert found == pytest.approx(math.sqrt(weighted / power.sum()))


def test_bandwidth_of_extremes():
    single = np.zeros((5, 5))
    single[1, 3] = 1
    found = bandwidth(np.stack([single, np.full((5, 5), 1 / 25), np.zeros((5, 5))]))
    assert found[0] == pytest.approx(math.sqrt(1 / 6), abs=1e-3)
    assert found[1] == pytest.approx(0.17, abs=0.005) and found[2] == 0


@pytest.mark.parametrize('height, width', [(8, 6), (7, 5)])
def test_high_frequency_share(height, width):
    feat = np.random.default_rng(1).normal(size=(2, height, width))
    high = total = 0
    for channel in feat:
        for u in range(height):
            for v in range(width):
                if u == v == 0:
                    continue
                value = sum(
                    channel[y, x] * cmath.exp(-2j * math.pi * (u * y / height + v * x / width))
                    for y in range(height)
                    for x in range(width)
                )
                total += abs(value) ** 2
                if max(abs(frequency(u, height)), abs(frequency(v, width))) > 0.25:
                    high += abs(value) ** 2
    assert high_frequency_share(feat) == pytest.approx(high / total)
    assert high_frequency_share(feat + 100) == pytest.approx(high / total)


def test_high_frequency_share_of_nothing():
    assert high_frequency_share(np.full((2, 4, 4), 3.0)) == 0


@pytest.mark.parametrize('value', [math.nan, math.inf])
@pytest.mark.filterwarnings('ignore:invalid value')
def test_high_frequency_share_of_broken_features(value):
    features = np.ones((2, 4, 4))
    features[1, 2, 3] = value
    assert math.isnan(high_frequency_share(features))


def test_high_frequency_share_of_parts(monkeypatch):
    features = np.random.default_rng(2).normal(size=(5, 6, 4))
    whole = high_frequency_share(features)
    monkeypatch.setattr('freqfusion_mm.evaluation.analysis.kernel_spectra.VALUES_AT_ONCE', 50)  # two channels
    assert high_frequency_share(features) == pytest.approx(whole)
