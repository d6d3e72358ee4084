"""A trained model, from a config and a checkpoint."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from .checkpoint import load_checkpoint
from .classes import class_meta
from .config import load_config, scope_of

#: task, where its base class is, the class; the special before the general.
TASKS = (
    ('depth', 'mmseg.models.segmentors.depth_estimator', 'DepthEstimator'),
    ('segmentation', 'mmseg.models.segmentors.base', 'BaseSegmentor'),
    ('detection', 'mmdet.models.detectors.base', 'BaseDetector'),
    ('classification', 'mmpretrain.models.classifiers.base', 'BaseClassifier'),
)


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Builds the model of a config, loads its weights, and sets it to evaluation.

    Args:
        config: a file, the name of one of ours, or a config.
        checkpoint: a file of ours or of the authors; None leaves the weights random.
        device: by default the GPU where there is one.
        cfg_options: settings to override.

    Returns:
        The model; `.cfg` is its config and `.dataset_meta` names and colours its classes (`class_meta`).

    Raises:
        CheckpointError: the file cannot be read, or is for another model.
        ValueError: there is no such config, or no such CUDA device.

    Example:
        >>> from freqfusion_mm.apis import draw, inference, init_model  # doctest: +SKIP
        >>> model = init_model('segformer_mit-b1_freqfusion_8xb2-160k_ade20k-512x512', 'my.pth')  # doctest: +SKIP
        >>> result = inference(model, 'photo.jpg')  # doctest: +SKIP
        >>> draw(model, 'photo.jpg', result, out='picture.png')  # doctest: +SKIP
    """
    device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f'the device {device} is asked for, and torch sees {torch.cuda.device_count()} of CUDA here')
    cfg = load_config(config, cfg_options)
    with scope_of(cfg):
        model = MODELS.build(cfg.model)
    saved = {}
    if checkpoint is not None:
        saved = (load_checkpoint(model, str(checkpoint)).get('meta') or {}).get('dataset_meta') or {}
    model.cfg = cfg
    if (cfg.get('test_dataloader') or {}).get('dataset') or saved:
        model.dataset_meta = class_meta(cfg, model, saved)
    return model.to(device).eval()


def task_of(model: nn.Module) -> str:
    """What a model predicts: 'segmentation', 'depth', 'detection' (boxes, masks, panoptic maps) or 'classification'.

    Raises:
        ValueError: none of them.
    """
    for task, module, name in TASKS:
        if find_spec(module.partition('.')[0]) and isinstance(model, getattr(import_module(module), name)):
            return task
    raise ValueError(
        f'{type(model).__name__} is no segmentor, depth estimator, detector or classifier of the frameworks'
    )
