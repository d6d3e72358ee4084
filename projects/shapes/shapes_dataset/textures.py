"""Textures that differ by pattern and never by how often a colour occurs.

A pattern is a field over the image; `shade` replaces each of its values by its rank among the
values of the region that it fills. So every region, whatever its texture, holds each tone between
its two colours equally often, and the colours are drawn without looking at the class: one pixel's
colour says nothing about the class.
"""

import cv2
import numpy as np

TURN = 2 * np.pi


def _rotated_grid(rng: np.random.Generator, height: int, width: int) -> tuple:
    angle, shift = rng.uniform(0, TURN), rng.uniform(-1000, 1000, size=2)
    y, x = np.mgrid[:height, :width] + 0.0
    u = np.cos(angle) * x + np.sin(angle) * y + shift[0]
    v = -np.sin(angle) * x + np.cos(angle) * y + shift[1]
    return u, v


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain: float) -> np.ndarray:
    """Noise whose hills are about ``grain`` pixels apart, [height, width]."""
    rows, cols = int(height / grain) + 3, int(width / grain) + 3
    knots = rng.standard_normal((rows, cols)).astype(np.float32)
    size = int(round(cols * grain)) + 1, int(round(rows * grain)) + 1
    field = cv2.resize(knots, size, interpolation=cv2.INTER_CUBIC)
    return field[:height, :width].astype(np.float64)


def stripes(rng, height, width, unit):
    """Parallel bars."""
    u, _ = _rotated_grid(rng, height, width)
    return np.sin(TURN * u / (unit * rng.uniform(6, 11)))


def checks(rng, height, width, unit):
    """A chessboard."""
    u, v = _rotated_grid(rng, height, width)
    pitch = unit * rng.uniform(9, 15)
    return np.sin(TURN * u / pitch) * np.sin(TURN * v / pitch)


def dots(rng, height, width, unit):
    """Round dots on a triangular lattice."""
    u, v = _rotated_grid(rng, height, width)
    pitch = unit * rng.uniform(7, 11)
    axes = (0, TURN / 6, TURN / 3)
    return sum(np.cos(TURN * (np.cos(a) * u + np.sin(a) * v) / pitch) for a in axes)


def cells(rng, height, width, unit):
    """Cobbles: the distance to the nearest joint of an irregular tiling."""
    u, v = _rotated_grid(rng, height, width)
    pitch = unit * rng.uniform(9, 14)
    col, row = np.floor(u / pitch).astype(int), np.floor(v / pitch).astype(int)
    col0, row0 = col.min() - 1, row.min() - 1
    jitter = rng.uniform(0.1, 0.9, size=(row.max() - row0 + 2, col.max() - col0 + 2, 2))
    distances = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = row + down, col + right
            seed = jitter[r - row0, c - col0]
            seed_u, seed_v = (c + seed[..., 0]) * pitch, (r + seed[..., 1]) * pitch
            distances.append(np.hypot(seed_u - u, seed_v - v))
    first, second = np.partition(np.stack(distances), 1, axis=0)[:2]
    return second - first


def ramp(rng, height, width, unit):
    """One even slope."""
    u, _ = _rotated_grid(rng, height, width)
    return u


def clouds(rng, height, width, unit):
    """Soft blotches."""
    return smooth_noise(rng, height, width, unit * rng.uniform(6, 14))


def sheen(rng, height, width, unit):
    """Broad bent highlights."""
    u, v = _rotated_grid(rng, height, width)
    pitch, bend = unit * rng.uniform(24, 40), rng.uniform(0.1, 0.3)
    return np.sin(TURN * (u + bend * pitch * np.sin(TURN * v / (2 * pitch))) / pitch)


def grain(rng, height, width, unit):
    """Sand on a slope."""
    u, _ = _rotated_grid(rng, height, width)
    return u / (unit * 40) + smooth_noise(rng, height, width, unit * 1.5)


def brushed(rng, height, width, unit):
    """Fine scratches, all one way."""
    u, v = _rotated_grid(rng, height, width)
    waver = smooth_noise(rng, height, width, unit * 8)
    return np.sin(TURN * (u + 0.6 * unit * waver) / (unit * rng.uniform(3, 4)))


def speckle(rng, height, width, unit):
    """Salt and pepper of a coarse grain."""
    return smooth_noise(rng, height, width, unit * 2.2)


def weave(rng, height, width, unit):
    """A fine chessboard."""
    u, v = _rotated_grid(rng, height, width)
    pitch = unit * rng.uniform(4.5, 6)
    return np.sin(TURN * u / pitch) * np.sin(TURN * v / pitch)


def ripples(rng, height, width, unit):
    """Rings around a point somewhere near."""
    u, v = _rotated_grid(rng, height, width)
    u0, v0 = rng.uniform(u.min(), u.max()), rng.uniform(v.min(), v.max())
    return np.sin(TURN * np.hypot(u - u0, v - v0) / (unit * rng.uniform(4.5, 6)))


STUFF_TEXTURES = dict(stripes=stripes, checks=checks, dots=dots, cells=cells)
THING_TEXTURES = dict(
    gear=brushed, star=speckle, ring=ramp, comb=weave, cross=clouds, crescent=sheen, ladder=ripples, spiral=grain
)
TEXTURES = STUFF_TEXTURES | THING_TEXTURES


def shade(field: np.ndarray, region: np.ndarray, dark: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colour a pattern: tone by rank, from ``dark`` to ``light``.

    Args:
        field: the pattern, [H, W].
        region: the pixels among which the ranks are taken, bool [H, W], not empty.
        dark, light: the two ends of the tones, [3].

    Returns:
        Colours of the whole image, [H, W, 3].
    """
    values = np.sort(field[region])
    rank = np.searchsorted(values, field) / len(values)
    tone = 0.5 + 0.5 * np.tanh(4 * (rank - 0.5)) / np.tanh(2)  # crisper, and the same for all
    return dark + tone[..., None] * (light - dark)
