"""The figures of an explanation, for the page and for a paper."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...evaluation.analysis.fusion_views import FusionView, ModelView, band_energies
from ..figure import save_figure
from ..gridding import receptive_fields_figure
from ..trimap_curve import trimap_figure
from .maps import TITLES, fusion_names, show_maps

FORMATS = ('png', 'pdf')
INCHES = 2.5  # of a picture's width
#: Arrows along the longer side of the map.
ARROWS = 24


def draw_figures(models: Sequence[ModelView]) -> dict[str, Figure]:
    """Every figure of the page that these models have something for, by the name of its file without ending."""
    figures = {'prediction': prediction_figure(models)}
    if any(model.trimap for model in models):
        figures['trimap'] = trimap_figure([(model.title, model.trimap) for model in models])
    for name in fusion_names(models):
        views = {model.title: model.fusions[name] for model in models if name in model.fusions}
        if any(view.kernels() is not None for view in views.values()):
            figures[f'{name}.spectra'] = spectra_figure(views)
        if any(view.offsets() is not None for view in views.values()):
            figures[f'{name}.offsets'] = offsets_figure(views, {model.title: model.picture for model in models})
    for model in models:
        where = f'{model.title}.' if len(models) > 1 else ''
        for name, bands in model.bands.items():
            figures[f'{where}{name}.bands'] = bands_figure(name, bands)
        if model.gridding:
            figures[f'{where}gridding'] = receptive_fields_figure(model.gridding)
    return figures


def draw_features(models: Sequence[ModelView]) -> dict[str, Figure]:
    """The maps of each fusion, which the page shows by itself."""
    return {f'{name}.features': features_figure(models, name) for name in fusion_names(models)}


def figure_files(names: Iterable[str], folder: str | Path, ending: str) -> dict[str, Path]:
    """Where each figure goes."""
    return {name: Path(folder, re.sub(r'[^\w.-]+', '_', name) + f'.{ending}') for name in names}


def save_figures(figures: Mapping[str, Figure], folder: str | Path) -> None:
    """Each as PNG (150 dots an inch) and PDF; the folder is made."""
    for ending in FORMATS:
        for name, file in figure_files(figures, folder, ending).items():
            save_figure(figures[name], file, dpi=150)


def prediction_figure(models: Sequence[ModelView]) -> Figure:
    """What each model was given, its prediction, and where there is a label its errors: a row a model."""
    columns = 3 if any(model.errors is not None for model in models) else 2
    figure, axes = _grid(len(models), columns, models[0].prediction)
    for line, model in zip(axes, models):
        pictures = [('input', model.picture), ('prediction', model.prediction), ('errors (red)', model.errors)]
        for cell, (title, picture) in zip(line, pictures):
            if picture is not None:
                cell.imshow(picture)
                cell.set_title(title, fontsize=8)
        _name(line[0], model.title)
    return figure


def features_figure(models: Sequence[ModelView], name: str) -> Figure:
    """The maps of one fusion: a row a model, a column a kind of map."""
    shown = show_maps(models, name)
    keys = [key for key in TITLES if any(key in maps for maps in shown)]
    figure, axes = _grid(len(models), len(keys), models[0].picture)
    for line, model, maps in zip(axes, models, shown):
        for cell, key in zip(line, keys):
            if key in maps:
                each = maps[key]
                scale = '' if each.low is None else f'\n{each.low:.3g} to {each.high:.3g}'
                cell.imshow(each.picture, interpolation='nearest')
                cell.set_title(f'{TITLES[key]}{scale}', fontsize=7)
        _name(line[0], model.title)
    figure.suptitle(name, fontsize=9)
    return figure


def spectra_figure(views: Mapping[str, FusionView]) -> Figure:
    """Spectra of the kernels, mean over all pixels, and their radial profiles with the spread over the pixels.

    Low-pass kernels count frequencies in cycles a coarse pixel, high-pass kernels in cycles a fine pixel.
    """
    found = [
        (title, 'low-pass' if which == 'kernels' else 'high-pass', view.spectrum(which))
        for title, view in views.items()
        for which in ('kernels', 'highpass')
        if view.kernels(which) is not None
    ]
    figure = Figure(figsize=(2.6 * len(found) + 3.8, 2.9), layout='constrained')
    axes = figure.subplots(1, len(found) + 1, width_ratios=[1] * len(found) + [1.5])
    for cell, (title, kind, each) in zip(axes, found):
        low, high = (end - 0.5 / len(each.mean) for end in (-0.5, 0.5))  # of the pixels, whose first middle is at -0.5
        image = cell.imshow(each.mean, extent=(low, high, high, low), cmap='magma', interpolation='nearest')
        figure.colorbar(image, ax=cell, shrink=0.7)
        cell.set_title(f'{title}\n{kind}, mean response', fontsize=7)
        cell.tick_params(labelsize=6)
    for number, (title, kind, each) in enumerate(found):
        style = '-' if kind == 'low-pass' else '--'
        axes[-1].plot(each.frequencies, each.profile, style, color=f'C{number}', label=f'{title}, {kind}')
        bounds = (each.profile - each.spread).clip(0), each.profile + each.spread  # of magnitudes
        axes[-1].fill_between(each.frequencies, *bounds, color=f'C{number}', alpha=0.15)
    axes[-1].set_xlabel('cycles a pixel', fontsize=7)
    axes[-1].set_title('radial profile, mean and spread over the pixels', fontsize=7)
    axes[-1].tick_params(labelsize=6)
    axes[-1].grid(alpha=0.3)
    axes[-1].legend(fontsize=6)
    return figure


def offsets_figure(views: Mapping[str, FusionView], pictures: Mapping[str, np.ndarray]) -> Figure:
    """The field of offsets as arrows, mean over the groups, and the histogram of all lengths."""
    found = {title: view for title, view in views.items() if view.offsets() is not None}
    first = pictures[next(iter(found))]
    height = 1.7 * INCHES * first.shape[0] / first.shape[1]
    figure = Figure(figsize=(3 * INCHES, (height + 0.4) * len(found)), layout='constrained')
    axes = figure.subplots(len(found), 2, squeeze=False, width_ratios=[1.7, 1])
    for (field, histogram), (title, view) in zip(axes, found.items()):
        offsets = view.offsets()  # [H, W, G, 2]
        _arrows(field, offsets.mean(axis=2), view.inside.coarse, pictures[title])
        field.set_title(f'{title}: offsets, mean over {offsets.shape[2]} groups', fontsize=7)
        histogram.hist(np.hypot(offsets[..., 0], offsets[..., 1]).ravel(), bins=40, color='C0')
        histogram.axvline(view.numbers['offset_mean'], color='C1', linewidth=1)
        histogram.set_yscale('log')
        histogram.set_xlabel('length (coarse pixels)', fontsize=7)
        histogram.set_title(
            f'mean {view.numbers["offset_mean"]:.2f}, largest {view.numbers["offset_max"]:.2f}', fontsize=7
        )
        histogram.tick_params(labelsize=6)
    return figure


def bands_figure(name: str, bands) -> Figure:
    """The four sub-bands of a pooling by lifting: root mean square over the channels, and their share of the power."""
    energies = band_energies(bands)
    pictures = [band[0].square().mean(dim=0).sqrt().cpu().numpy() for band in bands[:4]]
    figure, axes = _grid(1, 4, pictures[0])
    for cell, picture, (band, share) in zip(axes[0], pictures, energies.items()):
        cell.imshow(picture, cmap='magma', interpolation='nearest')
        cell.set_title(f'{band}: {100 * share:.1f} % of the power', fontsize=8)
    figure.suptitle(name, fontsize=9)
    return figure


def _arrows(cell: Axes, offsets: np.ndarray, coarse: tuple[int, int], picture: np.ndarray) -> None:
    """Every so many pixels an arrow from the pixel's place to where it reads, at its true length."""
    height, width = offsets.shape[:2]
    step = max(1, max(height, width) // ARROWS)
    rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
    x, y = np.meshgrid((columns + 0.5) * picture.shape[1] / width, (rows + 0.5) * picture.shape[0] / height)
    some = offsets[rows][:, columns]
    scale = picture.shape[1] / coarse[1], picture.shape[0] / coarse[0]
    cell.imshow(picture, alpha=0.6, extent=(0, picture.shape[1], picture.shape[0], 0))
    cell.quiver(
        x, y, some[..., 0] * scale[0], some[..., 1] * scale[1], angles='xy', scale_units='xy', scale=1, color='#c00000'
    )
    cell.set(xlim=(0, picture.shape[1]), ylim=(picture.shape[0], 0), xticks=[], yticks=[])


def _grid(rows: int, columns: int, picture: np.ndarray) -> tuple[Figure, np.ndarray]:
    height = INCHES * picture.shape[0] / picture.shape[1]
    figure = Figure(figsize=(INCHES * columns, (height + 0.4) * rows + 0.2), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.set(xticks=[], yticks=[], frame_on=False)
    return figure, axes


def _name(cell: Axes, title: str) -> None:
    cell.set_ylabel(title, fontsize=8)
