"""Predictions for images: those of `tools/test.py`, through the model's own `test_step`."""

import os
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from torch import nn

from ..visualization.prediction import build_visualizer, draw_prediction
from .channels import channels_taken, swaps_channels
from .config import scope_of
from .data import dataset_configs, described_dataset
from .outputs import save_picture
from .pixels import ImagePipeline, Step, displayed, steps_of

Image = str | os.PathLike | np.ndarray


def pipeline_steps(model: nn.Module) -> list[Step]:
    """The built steps of a model's test pipeline, without the data set's files.

    Raises:
        ValueError: the config has no test pipeline.
    """
    cfg = model.cfg
    if (cfg.get('test_dataloader') or {}).get('dataset'):
        steps = steps_of(described_dataset(cfg))
        if steps:
            return steps
    for dataset in dataset_configs(cfg.get('test_dataloader') or {}):
        if dataset.get('pipeline'):
            with scope_of(cfg):
                return Compose(deepcopy(dataset['pipeline'])).transforms
    raise ValueError(
        'the config has no test_dataloader with a data set and its pipeline, which says how an image is read'
    )


def image_pipeline(model: nn.Module) -> ImagePipeline:
    """From an image to what a model takes, by its test pipeline; other numbers of channels are refused by name."""
    return ImagePipeline(pipeline_steps(model), channels_taken(model), not swaps_channels(model.data_preprocessor))


def inference(model: nn.Module, images: Image | Sequence[Image]) -> Any:
    """What the model predicts for an image, or for each of several.

    Args:
        model: of `init_model`.
        images: a file, or pixels [H, W, C] as mmcv reads them (BGR), or a list of either.

    Returns:
        A data sample (of mmseg, mmdet or mmpretrain), or a list of them: as in a test, at the size of the image.

    Raises:
        UnreadableImage: names the file.
    """
    if isinstance(images, (list, tuple)):
        pipeline = image_pipeline(model)
        return [predict(model, pipeline(image)[0]) for image in images]
    return predict(model, image_pipeline(model)(images)[0])


@torch.no_grad()
def predict(model: nn.Module, sample: dict) -> Any:
    """The prediction for one sample that a pipeline has made."""
    with scope_of(model.cfg):
        return model.test_step(pseudo_collate([sample]))[0]


def draw(
    model: nn.Module, image: Image, result: Any, out: str | os.PathLike | None = None, score_thr: float = 0.3
) -> np.ndarray:
    """A prediction over the pixels that the model's pipeline reads.

    Args:
        model: of `init_model`.
        image: what `result` was predicted for.
        result: of `inference`.
        out: a file to write, too.
        score_thr: detections below it are left out.

    Returns:
        A picture [H, W, 3], RGB.
    """
    pixels = displayed(image_pipeline(model).read(image)[0]['img'])
    with scope_of(model.cfg):
        visualizer = build_visualizer(model.cfg, getattr(model, 'dataset_meta', {}))
        picture = draw_prediction(visualizer, pixels, result.cpu(), score_thr=score_thr)
    if out is not None:
        save_picture(picture, Path(out))
    return picture
