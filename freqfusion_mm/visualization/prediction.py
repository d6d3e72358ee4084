"""A prediction over its image, by the visualizer of whichever framework made it."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mmengine.dist import utils as dist_utils
from mmengine.registry import VISUALIZERS
from mmengine.visualization import Visualizer
from PIL import Image

#: default_scope -> the visualizer that draws its predictions, where the config names none.
VISUALIZER = {'mmseg': 'SegLocalVisualizer', 'mmdet': 'DetLocalVisualizer', 'mmpretrain': 'UniversalVisualizer'}
#: Where the frameworks' samples keep what is annotated.
ANNOTATIONS = ('gt_sem_seg', 'gt_depth_map', 'gt_instances', 'gt_panoptic_seg', 'gt_label')
_NUMBERS = count()


def build_visualizer(cfg: dict, meta: dict) -> Visualizer:
    """The config's visualizer, without its backends, told of the classes.

    Args:
        cfg: a config; its scope must be in force.
        meta: `classes` and `palette`.

    Raises:
        ValueError: the config's `default_scope` is none that draws.
    """
    scope = cfg.get('default_scope')
    if scope not in VISUALIZER:
        raise ValueError(
            f"pictures are drawn for default_scope {', '.join(VISUALIZER)}, but the config's is {scope!r}; set it"
        )
    settings = {**(cfg.get('visualizer') or dict(type=VISUALIZER[scope])), 'vis_backends': None, 'save_dir': None}
    if settings['type'] == 'Visualizer' or settings['type'] is Visualizer:  # mmengine's own draws no sample
        settings['type'] = VISUALIZER[scope]
    settings['name'] = name = f'drawing-{next(_NUMBERS)}'
    visualizer = VISUALIZERS.build(settings)
    for each in (type(visualizer), Visualizer):  # mmengine keeps one of each name, and takes the last for the run's own
        each._instance_dict.pop(name, None)
    if meta.get('classes'):
        visualizer.dataset_meta = {**meta, 'palette': [tuple(colour) for colour in meta['palette']]}
    return visualizer


def draw_prediction(
    visualizer: Visualizer,
    image: np.ndarray,
    sample: Any,
    *,
    truth: bool = False,
    prediction: bool = True,
    score_thr: float = 0.3,
    labels: bool = True,
) -> np.ndarray:
    """A data sample over its image.

    Args:
        visualizer: of `build_visualizer`.
        image: [H, W, 3], RGB, at the size of the sample's maps.
        sample: of mmseg, mmdet or mmpretrain, on the CPU.
        truth: draw the annotation; with `prediction` too, the two stand side by side. Without one, the image.
        prediction: draw the prediction.
        score_thr: detections below it are left out.
        labels: write class names into semantic maps.

    Returns:
        A picture [H, W, 3], RGB.
    """
    if not prediction and not any(name in sample for name in ANNOTATIONS):
        return image
    add = getattr(visualizer, 'visualize_cls', None) or visualizer.add_datasample  # mmengine's own draws no sample
    known = signature(add).parameters
    options = dict(draw_gt=truth, draw_pred=prediction, pred_score_thr=score_thr, with_labels=labels)
    options = {option: value for option, value in options.items() if option in known}
    with TemporaryDirectory() as folder, _drawn_by_this_process():
        file = Path(folder) / 'drawn.png'
        add(name='drawn', image=image, data_sample=sample, out_file=str(file), **options)
        with Image.open(file) as drawn:
            return np.asarray(drawn.convert('RGB'))


@contextmanager
def _drawn_by_this_process() -> Iterator[None]:
    """The frameworks draw in the first process alone, which does not have the images of the others."""
    asked = dist_utils.is_main_process
    dist_utils.is_main_process = lambda *_: True
    try:
        yield
    finally:
        dist_utils.is_main_process = asked
