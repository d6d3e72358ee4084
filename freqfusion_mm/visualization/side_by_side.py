"""Pictures in rows and columns, as large as the page allows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .figure import save_figure

INCHES = 2.4  # of a column


def save_columns(columns: Sequence[tuple[str, Sequence[np.ndarray]]], out: str | Path) -> None:
    """Writes columns of pictures, each a title and one picture a row.

    Convention:
        All columns are equally wide, and a row is as high as its pictures are in a column of that width.

    Args:
        columns: titles, and pictures [H, W, 3] of RGB bytes.
        out: the picture to write.
    """
    heights = [
        max(INCHES * picture.shape[0] / picture.shape[1] for picture in row)
        for row in zip(*(pictures for _, pictures in columns))
    ]
    size = INCHES * len(columns), sum(heights) + 0.1 * len(heights) + 0.25
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(len(heights), len(columns), height_ratios=heights, squeeze=False)
    for axis, (title, pictures) in zip(axes.T, columns):
        axis[0].set_title(title, fontsize=10)
        for cell, picture in zip(axis, pictures):
            cell.imshow(picture, interpolation='nearest')
            cell.axis('off')
    save_figure(figure, out, dpi=120)
