"""Pictures of a robustness run: a plot of its numbers, and what a corruption looks like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .figure import save_figure

if TYPE_CHECKING:
    from ..evaluation.analysis.robustness_report import Results


def plot(results: Results, out: Path) -> None:
    """By corruption, and by distance: a mark or a line a model."""
    kinds = [kind for kind in ('corruption', 'shift') if results.names(kind)]
    ratios = [3 if kind == 'corruption' else 2 for kind in kinds]
    figure = Figure(figsize=(3 * sum(ratios), 4.8), layout='constrained')
    axes = figure.subplots(1, len(kinds), squeeze=False, width_ratios=ratios)
    for axis, kind in zip(axes[0], kinds):
        names = results.names(kind)
        for number, title in enumerate(results.titles):
            colour, values = f'C{number}', results.column(title, kind)
            if kind == 'shift':
                axis.plot(names, values, 'o-', color=colour, label=title)
                continue
            offset = 0.16 * (number - (len(results.titles) - 1) / 2)
            axis.plot(np.arange(len(names)) + offset, values, 'o', color=colour, label=title)
            axis.axhline(results.mean(title, 'clean'), color=colour, linewidth=1, linestyle=':')
        axis.grid(axis='y', alpha=0.3)
        if kind == 'corruption':
            axis.set_xticks(range(len(names)), [name.replace('_', ' ') for name in names], rotation=60, ha='right')
            axis.set_ylabel(f'{results.metric} (%)')
            axis.set_title('corrupted; dotted: clean', fontsize=10)
        else:
            axis.set_xlabel('shift (pixels)')
            axis.set_ylabel('equal predictions (%)')
            axis.set_title('shifted', fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, loc='outside lower center')
    save_figure(figure, out, dpi=120)


def draw_corruptions(image: np.ndarray, corrupted: Mapping[str, np.ndarray], out: Path) -> None:
    """One image, and each corruption of it, by name; RGB bytes."""
    pictures = {'clean': image, **corrupted}
    columns = min(8, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(1.6 * columns, 1.85 * rows), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis('off')
    for axis, (name, picture) in zip(axes.flat, pictures.items()):
        axis.imshow(picture, interpolation='nearest')
        axis.set_title(name.replace('_', ' '), fontsize=8)
    save_figure(figure, out, dpi=120)
