"""What frequencies predicted kernels let through, how wide each is, and how much it decides.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction (TPAMI 2024), figure 5: the spectra of the low-pass and
    high-pass kernels that FreqFusion predicts.
"""

from dataclasses import dataclass

import numpy as np

#: Side of the square that a kernel is padded to, of its spectrum.
SIZE = 32
#: Kernels that are transformed at once.
AT_ONCE = 2048
#: Values of a map that are transformed at once, but for a single channel.
VALUES_AT_ONCE = 2**20


@dataclass
class Spectrum:
    """Of a set of kernels.

    Attributes:
        mean: magnitude of the response, mean over the kernels, [SIZE, SIZE]; frequency zero in the middle.
        frequencies: of the radial profile, in cycles a pixel of the map that the kernels read, [R].
        profile: magnitude by the distance from frequency zero, mean over the kernels, [R].
        spread: standard deviation of a kernel's own profile from that mean, [R].
    """

    mean: np.ndarray
    frequencies: np.ndarray
    profile: np.ndarray
    spread: np.ndarray


def spectrum(kernels: np.ndarray, size: int = SIZE) -> Spectrum:
    """Mean spectrum of kernels, and its radial profile.

    Convention:
        The response of a kernel is its 2-D discrete Fourier transform, zero-padded to `size` x `size`; only its
        magnitude counts. The profile is the mean over the frequencies whose distance from zero, times `size`, rounds
        to 0, 1, ..., size // 2: up to half a cycle a pixel, so without the corners.

    Args:
        kernels: [N, k, k], `size` at least k.

    Raises:
        ValueError: no kernels, or larger ones than `size`.

    Example:
        >>> response = spectrum(np.eye(9).reshape(9, 3, 3)[4:5])  # lets everything through
        >>> response.mean.shape, bool(np.allclose(response.profile, 1))
        ((32, 32), True)
    """
    if kernels.ndim != 3 or not len(kernels) or max(kernels.shape[1:]) > size:
        raise ValueError(f'wanted kernels [N, k, k] with N of 1 or more and k up to {size}, got {list(kernels.shape)}')
    rings = np.rint(np.hypot(*np.meshgrid(*[size * np.fft.fftfreq(size)] * 2, indexing='ij'))).astype(int)
    inside = rings <= size // 2
    counts = np.bincount(rings[inside])
    total, profiles = np.zeros((size, size)), []
    for first in range(0, len(kernels), AT_ONCE):
        magnitudes = np.abs(np.fft.fft2(kernels[first : first + AT_ONCE], s=(size, size)))
        total += magnitudes.sum(axis=0)
        profiles.append(magnitudes[:, inside] @ np.eye(len(counts))[rings[inside]] / counts)
    profiles = np.concatenate(profiles)
    return Spectrum(
        np.fft.fftshift(total / len(kernels)),
        np.arange(len(counts)) / size,
        profiles.mean(axis=0),
        profiles.std(axis=0),
    )


def bandwidth(kernels: np.ndarray, size: int = SIZE) -> np.ndarray:
    """How far the response of each kernel reaches: the root mean square of its frequencies, weighted by their power.

    Convention:
        `sqrt(sum |F(f)|^2 |f|^2 / sum |F(f)|^2)` over the frequencies of the transform that `spectrum` takes, in cycles
        a pixel. A single tap, which lets everything through, has 0.41 (`sqrt(1/6)`, of a square of half a cycle each
        way); the mean of a 5 x 5 window 0.17. A kernel of zeros has 0.

    Args:
        kernels: [..., k, k].

    Returns:
        [...].
    """
    frequencies = np.fft.fftfreq(size)
    squared = frequencies[:, None] ** 2 + frequencies**2
    flat = kernels.reshape(-1, *kernels.shape[-2:])
    found = []
    for first in range(0, len(flat), AT_ONCE):
        power = np.abs(np.fft.fft2(flat[first : first + AT_ONCE], s=(size, size))) ** 2
        total = power.sum(axis=(-2, -1))
        found.append((power * squared).sum(axis=(-2, -1)) / np.where(total > 0, total, 1))
    return np.sqrt(np.concatenate(found)).reshape(kernels.shape[:-2])


def high_frequency_share(features: np.ndarray) -> float:
    """Share of a map's power, its means apart, at frequencies that a map of half the size cannot hold.

    Convention:
        Those above a quarter of a cycle a pixel, along either axis, of the 2-D discrete Fourier transforms of all
        channels; frequency zero counts on neither side. A map without any variation has 0, one with values that are not
        finite NaN.

    Args:
        features: [C, H, W].

    Example:
        >>> chess = np.indices((8, 8)).sum(axis=0)[None] % 2
        >>> high_frequency_share(chess), high_frequency_share(np.kron(chess, np.ones((4, 4)))) < 0.3
        (1.0, True)
    """
    height, width = features.shape[-2:]
    rows, columns = np.abs(np.fft.fftfreq(height)), np.fft.rfftfreq(width)
    power, at_once = np.zeros((height, len(columns))), max(1, VALUES_AT_ONCE // (height * width))
    for first in range(0, len(features), at_once):
        part = features[first : first + at_once]
        response = np.fft.rfft2(part - part.mean(axis=(-2, -1), keepdims=True))
        power += (response.real**2 + response.imag**2).sum(axis=0)
    power *= np.where((columns == 0) | (columns == 0.5), 1, 2)  # the others stand for their negatives, too
    power[0, 0] = 0
    total = power.sum()
    return float(power[np.maximum(rows[:, None], columns) > 0.25].sum() / total) if total != 0 else 0.0
