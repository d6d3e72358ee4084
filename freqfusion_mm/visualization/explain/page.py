"""One self-contained page that shows what upsamplers do: maps side by side, and what a clicked pixel is made of."""

import base64
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from matplotlib.figure import Figure
from PIL import Image

from ...evaluation.analysis.fusion_views import FusionView, ModelView
from .maps import TITLES, Shown, fusion_names, show_maps

#: Of the page.
MOST_BYTES = 5 * 2**20
#: Longest side of a map and of a picture, values of clicked pixels in one fusion of one model, dots an inch of the
#: figures: tried in turn until the page is small enough.
BUDGETS = ((640, 400_000, 90), (480, 200_000, 80), (320, 100_000, 70), (240, 50_000, 60), (160, 20_000, 50))


def write_page(
    models: Sequence[ModelView], figures: Mapping[str, Figure], out: str | Path, image: str, most: int = MOST_BYTES
) -> int:
    """Writes the page; its folder is made.

    Args:
        models: of one image.
        figures: of `draw_figures`.
        out: the file.
        image: its name, for the title.
        most: bytes that the page may have: maps and figures get coarser, and fewer pixels answer a click, until it
            fits.

    Returns:
        Its size in bytes.

    Raises:
        ValueError: it does not fit at the coarsest.
    """
    shown = {name: show_maps(models, name) for name in fusion_names(models)}
    for side, values, dpi in BUDGETS:
        page = _render_page(models, shown, figures, image, side, values, dpi).encode()
        if len(page) <= most:
            break
    else:
        raise ValueError(
            f'the page has {len(page) / 2**20:.1f} MiB and may have {most / 2**20:.1f}: compare fewer models at once'
        )
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_bytes(page)
    return len(page)


def _render_page(
    models: Sequence[ModelView],
    shown: Mapping[str, Sequence[Mapping[str, Shown]]],
    figures: Mapping[str, Figure],
    image: str,
    side: int,
    values: int,
    dpi: int,
) -> str:
    """The page as text; `shown`: of each fusion, what `show_maps` makes; the last three are those of `BUDGETS`."""
    folder = files(__package__)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.tests['ending'] = str.endswith
    template = environment.from_string((folder / 'page.html.j2').read_text())
    data = dict(
        titles=TITLES,
        models=[
            dict(title=model.title, shape=list(model.picture.shape[:2]), filled=list(model.filled)) for model in models
        ],
        fusions=[_fusion(models, name, maps, side, values) for name, maps in shown.items()],
    )
    return template.render(
        image=image,
        models=models,
        names=list(shown),
        numbers=_number_table(models, shown),
        similarity=_similarity_table(models, shown),
        figures={name: _figure_uri(figure, dpi) for name, figure in figures.items()},
        data=json.dumps(data, separators=(',', ':')).replace('</', '<\\/'),
        script=(folder / 'page.js').read_text(),
        style=(folder / 'page.css').read_text(),
    )


def _fusion(
    models: Sequence[ModelView], name: str, shown: Sequence[Mapping[str, Shown]], side: int, values: int
) -> dict[str, Any]:
    views = []
    for model, maps in zip(models, shown):
        view = model.fusions.get(name)
        views.append(
            dict(
                method=None if view is None else view.method,
                maps={
                    key: dict(uri=_map_uri(each.picture, side, jpeg=key == 'input'), low=each.low, high=each.high)
                    for key, each in maps.items()
                },
                **({} if view is None else _clickable(view, values)),
            )
        )
    return dict(name=name, views=views)


def _clickable(view: FusionView, values: int) -> dict[str, Any]:
    """What a click shows: of every `step`-th pixel of the fine map, so that there are at most so many numbers."""
    fine = view.after.shape[-2:]
    found: dict[str, Any] = dict(coarse=list(view.before.shape[-2:]), fine=list(fine), step=1)
    if view.inside is None:
        return found
    arrays = {}
    for which in ('kernels', 'highpass'):
        if view.kernels(which) is not None:
            arrays[which] = view.kernels(which).mean(axis=2)  # [H, W, k, k], mean over the groups
    if view.offsets() is not None:
        arrays['offsets'] = view.offsets()  # [H, W, G, 2]
    total = sum(array.size for array in arrays.values())
    step = next(step for step in range(1, max(fine) + 1) if total <= values * step**2 or step == max(fine))
    found.update(coarse=list(view.inside.coarse), step=step, around=view.inside.around_place)
    for which, array in arrays.items():
        array = array[step // 2 :: step, step // 2 :: step]
        found[which] = dict(shape=list(array.shape), **_packed(array))
    return found


def _packed(array: np.ndarray) -> dict[str, Any]:
    """As whole numbers of two bytes, low byte first, compressed: `value = number * unit`."""
    unit = float(np.abs(array).max()) / 32767 or 1.0
    whole = np.rint(array / unit).astype('<i2')
    return dict(unit=unit, bytes=base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode())


def _number_table(models: Sequence[ModelView], names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        dict(fusion=name, model=model.title, method=view.method, before=view.before.shape, after=view.after.shape)
        | view.numbers
        for name in names
        for model in models
        if (view := model.fusions.get(name)) is not None
    ]


def _similarity_table(models: Sequence[ModelView], names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        dict(fusion=name, model=model.title, region=region) | measures
        for name in names
        for model in models
        if (view := model.fusions.get(name)) is not None
        for region, measures in view.similarity.items()
    ]


def _map_uri(picture: np.ndarray, side: int, jpeg: bool = False) -> str:
    image = Image.fromarray(picture)
    if max(image.size) > side:
        ratio = side / max(image.size)
        image = image.resize([max(1, round(length * ratio)) for length in image.size], Image.Resampling.BOX)
    return _uri(image, 'jpeg' if jpeg else 'png')


def _figure_uri(figure: Figure, dpi: int) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=dpi)
    image = Image.open(buffer).convert('RGB')
    return _uri(image.quantize(128), 'png')


def _uri(image: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **(dict(quality=88) if kind == 'jpeg' else dict(optimize=True)))
    return f'data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}'
