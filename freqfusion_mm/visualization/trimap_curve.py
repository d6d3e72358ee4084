"""The curve of the mIoU over the width of the band around borders."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .figure import save_figure


def draw_trimap_curve(curves: Sequence[tuple[str, dict[int, float]]], path: str | Path) -> None:
    """`trimap_figure` into a PNG; its folder is made."""
    save_figure(trimap_figure(curves), path, dpi=150)


def trimap_figure(curves: Sequence[tuple[str, dict[int, float]]]) -> Figure:
    """Draw one line per name: the mean of its curves, and each of several thinly.

    Args:
        curves: name in the legend, and mIoU in percent by width in pixels, as `TrimapIoU` defines them. Curves of one
            name, of the runs of one method, have the same widths.

    Raises:
        ValueError: no curve, one without a point, or curves of one name with different widths.
    """
    empty = [name for name, ious in curves if not ious]
    if not curves or empty:
        raise ValueError(f'a curve needs points, {{width: mIoU}}; got {len(curves)} curves, without points: {empty}')
    by_name: dict[str, list[dict[int, float]]] = {}
    for name, ious in curves:
        by_name.setdefault(name, []).append(ious)
    figure = Figure(figsize=(5, 3.5), layout='constrained')
    axes = figure.subplots()
    for number, (name, runs) in enumerate(by_name.items()):
        widths = sorted(runs[0])
        if any(sorted(run) != widths for run in runs):
            raise ValueError(f'the curves of {name} have different widths: {[sorted(run) for run in runs]}')
        values = np.array([[run[width] for width in widths] for run in runs])
        color = f'C{number % 10}'
        if len(runs) > 1:
            axes.plot(widths, values.T, color=color, linewidth=0.5, alpha=0.5)
        axes.plot(widths, values.mean(axis=0), color=color, marker='o', markersize=4, label=name)
    ticks = sorted({width for _, ious in curves for width in ious})
    axes.set_xscale('log', base=2)
    axes.set_xticks(ticks, [str(width) for width in ticks])
    axes.set(xlabel='width of the band around borders (px)', ylabel='mIoU in the band (%)')
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
