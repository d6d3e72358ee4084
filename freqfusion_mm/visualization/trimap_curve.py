"""The curve of the mIoU over the width of the band around borders."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .figure import save_figure


def draw_trimap_curve(curves: Sequence[tuple[str, dict[int, float]]], path: str | Path) -> None:
    """`trimap_figure` into a PNG; its folder is made."""
    save_figure(trimap_figure(curves), path, dpi=150)


def trimap_figure(curves: Sequence[tuple[str, dict[int, float]]]) -> Figure:
    """Draw one line per model.

    Args:
        curves: name in the legend, and mIoU in percent by width in pixels, as `TrimapIoU` defines them.

    Raises:
        ValueError: no curve, or one without a point.
    """
    empty = [name for name, ious in curves if not ious]
    if not curves or empty:
        raise ValueError(f'a curve needs points, {{width: mIoU}}; got {len(curves)} curves, without points: {empty}')
    figure = Figure(figsize=(5, 3.5), layout='constrained')
    axes = figure.subplots()
    for name, ious in curves:
        widths = sorted(ious)
        axes.plot(widths, [ious[width] for width in widths], marker='o', markersize=4, label=name)
    ticks = sorted({width for _, ious in curves for width in ious})
    axes.set_xscale('log', base=2)
    axes.set_xticks(ticks, [str(width) for width in ticks])
    axes.set(xlabel='width of the band around borders (px)', ylabel='mIoU in the band (%)')
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
