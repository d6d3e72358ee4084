"""The maps of a fusion as pictures: features by principal components of all models together, numbers by a scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps

from ...evaluation.analysis.fusion_views import FusionView, ModelView
from ...evaluation.analysis.joint_pca import JointPCA

#: key -> title, in the order of the page.
TITLES = {
    'input': 'input',
    'before': 'coarse map, before',
    'after': 'coarse map, upsampled',
    'change': 'what differs from bilinear',
    'fine_before': 'fine map, before',
    'fine_after': 'fine map, after',
    'fine_change': 'what was done to the fine map',
    'consistency': 'consistency within the category',
    'margin': 'margin to the other categories',
    'bandwidth': 'bandwidth of the kernels (cycles a coarse pixel)',
    'entropy': 'entropy of the kernels (1: the mean of all taps)',
    'factor': 'index, mean over the channels',
    'gate': 'gate: share of the fine map',
}
#: key -> colours, lowest and highest value; None: of all models together.
SCALES: dict[str, tuple[str, float | None, float | None]] = {
    'change': ('magma', 0, None),
    'fine_change': ('magma', 0, None),
    'consistency': ('viridis', None, 1),
    'margin': ('RdBu', -1, 1),
    'bandwidth': ('viridis', None, None),
    'entropy': ('viridis', 0, 1),
    'factor': ('viridis', 0, 1),
    'gate': ('viridis', 0, 1),
}


@dataclass
class Shown:
    """A map as it is shown.

    Attributes:
        picture: RGB bytes [H, W, 3].
        low, high: the values at the ends of the scale; None for features and pictures.
    """

    picture: np.ndarray
    low: float | None = None
    high: float | None = None


def fusion_names(models: Sequence[ModelView]) -> list[str]:
    """Of all models' fusions, each once, in the order in which they ran."""
    return list(dict.fromkeys(name for model in models for name in model.fusions))


def show_maps(models: Sequence[ModelView], name: str) -> list[dict[str, Shown]]:
    """The maps of one fusion, for each model by key, in the order of `TITLES`; a model without it has its input alone.

    Convention:
        One palette serves the coarse map before and after in all models that have as many channels there, another the
        fine map. Maps of numbers share a scale over all models. Padding has no say in either.
    """
    views = [model.fusions.get(name) for model in models]
    shown: list[dict[str, Shown]] = [dict(input=Shown(model.picture)) for model in models]
    for keys in (('before', 'after'), ('fine_before', 'fine_after')):
        features = {
            (number, key): getattr(view, key)
            for number, view in enumerate(views)
            for key in keys
            if view is not None and getattr(view, key) is not None
        }
        for channels in {len(feat) for feat in features.values()}:
            alike = {where: feat for where, feat in features.items() if len(feat) == channels}
            groups = list(dict.fromkeys(number for number, _ in alike))
            palette = JointPCA(
                [[models[n].without_padding(f) for (n, _), f in alike.items() if n == number] for number in groups]
            )
            for (number, key), feat in alike.items():
                shown[number][key] = Shown(palette(feat, groups.index(number)))
    for key in SCALES:
        values = {number: _numbers(view, key) for number, view in enumerate(views) if view is not None}
        values = {number: each for number, each in values.items() if each is not None}
        for number, each in _coloured(key, values, models).items():
            shown[number][key] = each
    return [{key: maps[key] for key in TITLES if key in maps} for maps in shown]


def _numbers(view: FusionView, key: str) -> np.ndarray | None:
    if key in ('factor', 'gate'):
        found = None if view.inside is None else getattr(view.inside, key)
        return None if found is None else found[0].mean(0).cpu().numpy()
    found = getattr(view, key)
    return found() if callable(found) else found


def _coloured(key: str, values: dict[int, np.ndarray], models: Sequence[ModelView]) -> dict[int, Shown]:
    if not values:
        return {}
    name, low, high = SCALES[key]
    everything = np.concatenate([models[n].without_padding(each).ravel() for n, each in values.items()])
    everything = everything[np.isfinite(everything)]
    if not everything.size:
        return {}
    low = float(np.percentile(everything, 1)) if low is None else low
    high = float(np.percentile(everything, 99)) if high is None else high
    colours = colormaps[name].with_extremes(bad=(0.35, 0.35, 0.35))
    width = high - low if high > low else 1.0
    return {
        number: Shown((255 * colours(np.ma.masked_invalid((each - low) / width))[..., :3]).astype(np.uint8), low, high)
        for number, each in values.items()
    }
