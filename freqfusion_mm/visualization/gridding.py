"""What each branch of a dilated block reads, as a picture."""

from pathlib import Path

from matplotlib.figure import Figure

from ..evaluation.analysis.gridding import Measured
from .figure import save_figure


def draw_receptive_fields(results: Measured, out: str | Path) -> None:
    """`receptive_fields_figure` as a file; its folder is made."""
    save_figure(receptive_fields_figure(results), out, dpi=100)


def receptive_fields_figure(results: Measured) -> Figure:
    """A line for each kind of block: dilation, receptive field and gridding of each branch (`measure_gridding`)."""
    columns = max(len(rows) for rows in results.values())
    figure = Figure(figsize=(2.1 * columns, 2.4 * len(results)), layout='constrained')
    for line, (label, rows) in zip(figure.subplots(len(results), columns, squeeze=False), results.items()):
        for cell in line:
            cell.axis('off')
        for cell, (dilation, energy, number) in zip(line, rows):
            cell.axis('on')
            cell.set(xticks=[], yticks=[])
            cell.imshow((energy / energy.max()).clamp(min=1e-4).log10(), cmap='magma', interpolation='nearest')
            cell.set_title(f'dilation {dilation}: {number:.3f}', fontsize=9)
        line[0].set_ylabel(label, fontsize=9)
    figure.suptitle('What each branch reads (log of the squared impulse response), and its gridding', fontsize=10)
    return figure
