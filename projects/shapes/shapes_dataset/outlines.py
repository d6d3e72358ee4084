"""The outlines of the things: fine teeth, thin arms, sharp tips and holes.

Each function draws its own proportions from ``rng`` and returns contours, arrays [N, 2] of (x, y)
in the unit circle; a point is inside when an odd number of contours surrounds it, so an inner
contour is a hole.
"""

import numpy as np

TURN = 2 * np.pi
Contours = list[np.ndarray]


def _polar(radius, angle) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _circle(radius: float) -> np.ndarray:
    return _polar(radius, np.linspace(0, TURN, 96, endpoint=False))


def _box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def gear(rng: np.random.Generator) -> Contours:
    """A wheel with teeth and a hub."""
    teeth = rng.integers(8, 13)
    root = rng.uniform(0.70, 0.78)
    # A tooth is four corners: up, along the tip, down, along the root.
    steps = np.array([0.0, 0.12, 0.43, 0.55])
    angle = (np.arange(teeth)[:, None] + steps) / teeth * TURN
    radius = np.broadcast_to([root, 1.0, 1.0, root], angle.shape)
    return [_polar(radius, angle).reshape(-1, 2), _circle(rng.uniform(0.25, 0.42))]


def star(rng: np.random.Generator) -> Contours:
    """A star of five to seven sharp points."""
    points = rng.integers(5, 8)
    angle = np.arange(2 * points) / (2 * points) * TURN
    radius = np.where(np.arange(2 * points) % 2, rng.uniform(0.36, 0.48), 1.0)
    return [_polar(radius, angle)]


def ring(rng: np.random.Generator) -> Contours:
    """A thin elliptic ring."""
    squash = np.array([1.0, rng.uniform(0.7, 1.0)])
    return [_circle(1.0) * squash, _circle(rng.uniform(0.66, 0.82)) * squash]


def comb(rng: np.random.Generator) -> Contours:
    """A spine with five to eight thin teeth."""
    teeth = rng.integers(5, 9)
    half, top, spine = 0.85, 0.55, rng.uniform(0.2, 0.3)
    # As many gaps as teeth less one, so the last tooth ends where the spine does.
    pitch = 2 * half / (teeth - 0.5)
    left = -half + pitch * np.arange(teeth)
    width = pitch / 2
    points = [(-half, -top), (half, -top)]
    for x in left[::-1]:
        points += [(x + width, -top + spine), (x + width, top), (x, top), (x, -top + spine)]
    return [np.array(points)]


def cross(rng: np.random.Generator) -> Contours:
    """Two crossed bars."""
    a = rng.uniform(0.16, 0.26)
    return [
        np.array(
            [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)]
        )
    ]


def crescent(rng: np.random.Generator) -> Contours:
    """A moon with two thin tips."""
    # The inner circle (centre `shift`, radius `inner`) cuts the unit circle at +-tip.
    shift, inner = rng.uniform(0.35, 0.5), rng.uniform(0.78, 0.88)
    tip = np.arccos((1 + shift**2 - inner**2) / (2 * shift))
    outer_arc = _polar(1.0, np.linspace(tip, TURN - tip, 96))
    bend = np.arctan2(np.sin(tip), np.cos(tip) - shift)
    inner_arc = _polar(inner, np.linspace(TURN - bend, bend, 64)) + [shift, 0]
    return [np.concatenate([outer_arc, inner_arc])]


def ladder(rng: np.random.Generator) -> Contours:
    """Two rails with three to five rungs: a row of holes."""
    holes = rng.integers(3, 6)
    half, rail = rng.uniform(0.34, 0.46), rng.uniform(0.10, 0.14)
    pitch = (2.0 - rail) / holes
    contours = [_box(-half, -1, half, 1)]
    for top in -1 + rail + pitch * np.arange(holes):
        contours.append(_box(-half + rail, top, half - rail, top + pitch - rail))
    return contours


def spiral(rng: np.random.Generator) -> Contours:
    """A band wound about twice around the centre."""
    turns = rng.uniform(1.7, 2.3)
    angle = np.linspace(0.6, turns * TURN, 160)
    pitch = 1 / (turns + 0.25)
    middle = pitch * angle / TURN + 0.03
    half = pitch * rng.uniform(0.22, 0.28)
    outer = _polar(np.minimum(middle + half, 1), angle)
    return [np.concatenate([outer, _polar(np.maximum(middle - half, 0), angle)[::-1]])]


OUTLINES = dict(
    gear=gear, star=star, ring=ring, comb=comb, cross=cross, crescent=crescent, ladder=ladder, spiral=spiral
)
