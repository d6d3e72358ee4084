"""A label map over its image, with a legend of the classes that occur."""

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont


def overlay(image: np.ndarray, labels: np.ndarray, meta: dict, opacity: float = 0.5) -> np.ndarray:
    """The image under the classes' colours, and below it a legend of the classes that occur, with their shares.

    Args:
        image: [H, W, 3], RGB bytes.
        labels: [H, W], places in `meta['classes']`.
        meta: `classes` and `palette`.
        opacity: of the colours, 0 to 1.

    Returns:
        [H + legend, W, 3], RGB bytes.
    """
    palette = np.array(meta['palette'], np.uint8)
    colours = Image.fromarray(palette[labels])
    picture = Image.fromarray(image)
    if colours.size != picture.size:
        colours = colours.resize(picture.size, Image.Resampling.NEAREST)
    picture = Image.blend(picture, colours, opacity)
    entries = shares(labels, meta)
    unit = max(12, picture.width // 80)  # the height of the letters
    font = ImageFont.truetype(findfont('DejaVu Sans'), unit)  # matplotlib brings it, with more scripts than Pillow's
    texts = [f'{meta["classes"][number]} {100 * share:.1f} %' for number, share in entries]
    cell = 5 * unit // 2 + max(int(font.getlength(text)) for text in texts)
    columns = max(1, picture.width // cell)
    legend = Image.new('RGB', (picture.width, 2 * unit * -(-len(entries) // columns) + unit // 2), 'white')
    draw = ImageDraw.Draw(legend)
    for i, ((number, _), text) in enumerate(zip(entries, texts)):
        x, y = cell * (i % columns) + unit // 2, 2 * unit * (i // columns) + unit // 2
        draw.rectangle((x, y, x + unit, y + unit), fill=tuple(map(int, palette[number])), outline='black')
        draw.text((x + 3 * unit // 2, y - unit // 8), text, fill='black', font=font)
    return np.concatenate([np.asarray(picture), np.asarray(legend)])


def shares(labels: np.ndarray, meta: dict) -> list[tuple[int, float]]:
    """(class, share of the pixels), largest first; only those that occur."""
    counts = np.bincount(labels.ravel(), minlength=len(meta['classes']))
    return [(int(i), counts[i] / labels.size) for i in np.argsort(-counts, kind='stable') if counts[i]]
