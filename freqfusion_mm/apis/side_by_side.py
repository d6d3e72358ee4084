"""Input, annotation and prediction of a test set as pictures."""

from collections.abc import Sequence

import numpy as np

from ..visualization.prediction import build_visualizer, draw_prediction
from .classes import dataset_meta
from .pixels import displayed
from .trained import Trained

#: number -> pictures of the input, of the annotation and of the prediction, RGB bytes.
Rows = dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]


def draw_rows(
    trained: Trained, numbers: Sequence[int], score_thr: float = 0.3, labels: bool = False, on_white: bool = False
) -> Rows:
    """Predicts for samples of a test set, and draws over the pixels that its pipeline reads.

    Args:
        trained: a model with its data set.
        numbers: of the samples.
        score_thr: detections below it are left out.
        labels: write class names into semantic maps.
        on_white: draw over white instead, and take the input for white.

    Returns:
        The pictures; a sample that cannot be read is missing, and named in `trained.failures`.

    Raises:
        ValueError: the config's `default_scope` is none that draws.
    """
    with trained.scope():
        visualizer = build_visualizer(trained.cfg, dataset_meta(trained.dataset, trained.model))
    rows = {}
    for (number, *_), batch in trained.batches(numbers, size=1):
        sample = trained.reader.with_truth(trained.predict(batch)[0].cpu())
        image = displayed(trained.pixels(number))
        image = np.full_like(image, 255) if on_white else image
        with trained.scope():
            truth, prediction = (
                draw_prediction(
                    visualizer, image, sample, truth=truth, prediction=not truth, score_thr=score_thr, labels=labels
                )
                for truth in (True, False)
            )
        rows[number] = image, truth, prediction
    return rows
