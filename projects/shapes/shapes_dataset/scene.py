"""One picture of Shapes: things in front of things in front of stuff, and the exact label.

Masks are drawn SUPERSAMPLE times finer than the image. A region's share of each pixel gives the
anti-aliased image; the region with the largest share gives the label.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .classes import CLASSES, STUFF, THINGS
from .outlines import OUTLINES
from .textures import TEXTURES, shade, smooth_noise

SUPERSAMPLE = 4
MIN_VISIBLE_SHARE = 0.4  # of a thing, after what hides it and what the border cuts off
MIN_VISIBLE_PIXELS = 24
MIN_STUFF_SHARE = 0.02  # of the image, where no thing covers it


@dataclass(frozen=True)
class Scene:
    """A picture and its label.

    Attributes:
        image: RGB, uint8 [H, W, 3].
        segments: int32 [H, W], every pixel's index into ``labels``.
        labels: the class index of each segment; things first, front to back, then stuff.
    """

    image: np.ndarray
    segments: np.ndarray
    labels: tuple[int, ...]


def draw_scene(rng: np.random.Generator, height: int, width: int) -> Scene:
    """Draw one picture.

    Args:
        rng: the only source of chance: equal generators draw equal pictures.
        height, width: size in pixels.

    Returns:
        The picture and its label.
    """
    things = _place_things(rng, height, width)
    covered = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE), bool)
    shares, labels = [], []
    for label, mask in things:
        shares.append(pixel_share(mask & ~covered))
        labels.append(THINGS.index(label))
        covered |= mask
    for label, mask in _lay_stuff(rng, height, width, covered):
        shares.append(pixel_share(mask & ~covered))
        labels.append(CLASSES.index(label))
    segments = np.argmax(shares, axis=0).astype(np.int32)
    masks = [pixel_share(mask) for _, mask in things]
    image = _paint(rng, segments, shares[len(things) :], masks, labels)
    return Scene(image=image, segments=segments, labels=tuple(labels))


def _place_things(rng: np.random.Generator, height: int, width: int) -> list:
    """Things front to back, (class name, fine mask), each recognisable where it is visible."""
    wanted = rng.integers(3, 7)
    scale = np.sqrt(height * width)
    covered = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE), bool)
    things = []
    for _ in range(4 * wanted):
        label = THINGS[rng.integers(len(THINGS))]
        radius = min(scale * np.exp(rng.uniform(*np.log([0.16, 0.34]))), 0.48 * min(height, width))
        angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
        turn = radius * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        centre = rng.uniform(0.05, 0.95, size=2) * [width, height]
        contours = [c * [mirror, 1] @ turn + centre for c in OUTLINES[label](rng)]
        mask, area = fill(contours, height, width)
        seen = pixel_share(mask & ~covered)
        # A pixel that is more than half the thing's is labelled with it, whatever lies behind.
        if seen.sum() >= MIN_VISIBLE_SHARE * area and (seen > 0.5).sum() >= MIN_VISIBLE_PIXELS:
            things.append((label, mask))
            covered |= mask
        if len(things) == wanted:
            break
    return things


def _lay_stuff(rng: np.random.Generator, height: int, width: int, covered: np.ndarray) -> list:
    """Two to four stuff classes, (class name, fine mask), that share the image between them."""
    count = rng.integers(2, len(STUFF) + 1)
    names = [STUFF[i] for i in rng.permutation(len(STUFF))[:count]]
    grain = 0.55 * np.sqrt(height * width)
    size = covered.shape[1], covered.shape[0]
    hills = [cv2.resize(smooth_noise(rng, height, width, grain), size) for _ in names]
    while True:
        winner = np.argmax(hills, axis=0)
        visible = np.bincount(winner[~covered], minlength=len(names))
        if len(names) == 1 or visible.min() >= MIN_STUFF_SHARE * winner.size:
            return [(name, winner == i) for i, name in enumerate(names)]
        smallest = int(visible.argmin())
        del hills[smallest], names[smallest]


def _paint(rng: np.random.Generator, segments: np.ndarray, stuff_shares: list, masks: list, labels: list) -> np.ndarray:
    """Back to front: stuff, then each thing with its shadow on what is behind it."""
    height, width = segments.shape
    unit = np.sqrt(height * width) / 128  # patterns grow with the image
    colours = _draw_colours(rng, len(labels))

    def texture(index):
        pattern = TEXTURES[CLASSES[labels[index]]]
        return shade(pattern(rng, height, width, unit), segments == index, *colours[index])

    canvas = np.zeros((height, width, 3))
    for i, share in enumerate(stuff_shares, start=len(masks)):
        canvas += share[..., None] * texture(i)
    for i, mask in reversed(list(enumerate(masks))):
        shift = np.float32([[1, 0, 1.2 * unit], [0, 1, 1.8 * unit]])
        shadow = cv2.GaussianBlur(cv2.warpAffine(mask, shift, (width, height)), (0, 0), 1.6 * unit)
        canvas *= 1 - 0.35 * shadow[..., None]
        canvas += mask[..., None] * (texture(i) - canvas)
    canvas *= 1 + 0.1 * smooth_noise(rng, height, width, 64 * unit)[..., None]
    canvas += rng.normal(0, 4, canvas.shape)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _draw_colours(rng: np.random.Generator, count: int) -> np.ndarray:
    """A dark and a light RGB colour per region, [count, 2, 3]; hues far apart, in random order."""
    hue = (rng.uniform() + (rng.permutation(count) + rng.uniform(-0.3, 0.3, count)) / count) % 1
    hue = np.stack([hue, hue + rng.uniform(-0.08, 0.08, count)], axis=1) % 1
    saturation = rng.uniform(0.25, 0.85, (count, 2))
    value = np.stack([rng.uniform(0.2, 0.5, count), rng.uniform(0.65, 1.0, count)], axis=1)
    hsv = np.stack([360 * hue, saturation, value], axis=-1).astype(np.float32)
    return 255.0 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def fill(contours: list, height: int, width: int) -> tuple:
    """The fine mask of an outline and its whole area in pixels, outside the image too."""
    mask = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE), np.uint8)
    # Fixed point with 4 binary digits; a pixel's centre has whole coordinates there.
    fixed = [np.rint((c * SUPERSAMPLE - 0.5) * 16).astype(np.int32) for c in contours]
    cv2.fillPoly(mask, fixed, 1, shift=4)
    areas = [cv2.contourArea(c.astype(np.float32)) for c in contours]
    return mask.astype(bool), areas[0] - sum(areas[1:])


def pixel_share(mask: np.ndarray) -> np.ndarray:
    """Share of each pixel that a fine mask takes, [H, W] in [0, 1]."""
    height, width = (size // SUPERSAMPLE for size in mask.shape)
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
