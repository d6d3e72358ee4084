"""What the upsamplers of trained models do at one image: predictions, and a view of each fusion."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from torch import Tensor, nn

from ..evaluation.analysis.fusion_calls import find_fusions, find_pools, recorded_bands, recorded_fusions
from ..evaluation.analysis.fusion_views import ModelView, view_fusion
from ..evaluation.analysis.gridding import blocks_of, measure_with_and_without
from ..evaluation.analysis.layer_maps import label_of
from ..evaluation.metrics.label_map_metric import NO_CLASS, VOID, class_means, iou_percent
from ..evaluation.metrics.trimap_iou import TrimapIoU
from ..visualization.prediction import build_visualizer, draw_prediction
from .channels import swaps_channels
from .classes import class_meta, ignore_label
from .config import scope_of
from .data import described_dataset
from .model import init_model, task_of
from .pixels import check_image, displayed, reads_labels, swapped
from .predictions import image_pipeline, pipeline_steps, predict


def explain(
    config: str | Path,
    checkpoint: str | Path,
    image: str | os.PathLike,
    *,
    title: str | None = None,
    labels: str | os.PathLike | None = None,
    device: str | torch.device | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    score_thr: float = 0.3,
) -> ModelView:
    """Runs a model once on an image and keeps what its upsamplers did.

    Convention:
        The image goes through the test pipeline of the config, and whole through the network, also where the config
        slides a window. A fusion that runs several times is shown at its last.

    Args:
        config: a file, or the name of one of ours.
        checkpoint: of its model.
        image: a file.
        title: of the model; None: the config's name.
        labels: the label map of the image, a file as the config's data set has them, for a segmentor.
        device: by default the GPU where there is one.
        cfg_options: settings to override.
        score_thr: detections below it are not drawn.

    Raises:
        UnreadableImage: names the file.
        CheckpointError: the checkpoint cannot be read, or is for another model.
        ValueError: the model has no upsampler of ours, or one gives NaN; labels for a model that is no segmentor, or
            that do not fit.
    """
    check_image(str(image))
    model = init_model(config, checkpoint, device, cfg_options)
    gridding = _gridding(model)
    if not (find_fusions(model) or find_pools(model) or gridding):
        raise ValueError(
            f'{config} has nothing to explain: its {type(model).__name__} holds no fusion, upsampler, LiftDownPool, '
            "ESP or EESP of this package; a neck or head of ours, such as neck=dict(type='FusionFPN', "
            "upsample_cfg=dict(type='FreqFusion')), does"
        )
    task = task_of(model)
    if labels is not None and task != 'segmentation':
        raise ValueError(f'--labels is for semantic segmentation, and the {type(model).__name__} does {task}')
    if (getattr(model, 'test_cfg', None) or {}).get('mode') == 'slide':
        model.test_cfg['mode'] = 'whole'
    sample, pixels = image_pipeline(model)(image)
    pictures = []
    watch = model.data_preprocessor.register_forward_hook(
        lambda module, args, returned: pictures.append(network_picture(module, returned['inputs']))
    )
    with recorded_fusions(model) as calls, recorded_bands(model) as bands:
        result = predict(model, sample).cpu()
    watch.remove()
    wrong = [
        call.name
        for call in calls
        if not all(feat.isfinite().all() for feat in (call.lr_up, call.hr_out) if feat is not None)
    ]
    if wrong:
        raise ValueError(
            f'{checkpoint}: what {", ".join(wrong)} gives holds values that are no finite numbers; the training '
            'diverged, and there is nothing to show'
        )
    with scope_of(model.cfg):
        visualizer = build_visualizer(model.cfg, getattr(model, 'dataset_meta', {}))
        prediction = draw_prediction(visualizer, pixels, result, score_thr=score_thr, labels=False)

    view = ModelView(
        title=title or Path(config).name.removesuffix('.py'),
        config=str(config),
        checkpoint=str(checkpoint),
        task=task,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        picture=pictures[-1],
        filled=_filled(result.metainfo, pictures[-1].shape),
        fusions={},
        bands=bands,
        gridding=gridding,
        prediction=prediction,
    )
    measured = {}
    if labels is not None:
        label, ignore = read_label(model, labels), _ignore_label(model)
        names = class_meta(model.cfg)['classes']  # without what the model has beyond them
        _judge(view, names, result.pred_sem_seg.data[0].numpy(), label, ignore, pixels)
        result.gt_sem_seg = PixelData(data=torch.from_numpy(label)[None])
        measured = dict(label=label_of(result, None, ignore), num_classes=len(names), ignore_index=ignore)
    for call in {call.name: call for call in calls}.values():
        view.fusions[call.name] = view_fusion(call, **measured)
    return view


def network_picture(preprocessor: nn.Module, inputs: Tensor) -> np.ndarray:
    """What a network was given, as a picture: normalisation undone, padding left, RGB bytes [H, W, 3]."""
    values = inputs[0].float().cpu()
    if getattr(preprocessor, '_enable_normalize', False):
        values = values * preprocessor.std.cpu() + preprocessor.mean.cpu()
    array = values.permute(1, 2, 0).numpy()
    if swaps_channels(preprocessor):
        array = swapped(array)
    if -1 < array.min() and array.max() < 256:
        array = np.clip(np.rint(array), 0, 255)
    return displayed(array)


def read_label(model: nn.Module, labels: str | os.PathLike) -> np.ndarray:
    """Class numbers int64 [H, W], read as the test pipeline of the model's config reads its labels.

    Raises:
        UnreadableImage: names the file.
        ValueError: the pipeline reads no labels, or the file is no map.
    """
    check_image(str(labels))
    leaf = described_dataset(model.cfg)
    steps = [step for step in pipeline_steps(model) if reads_labels(step)]
    if not steps:
        raise ValueError('the test pipeline of the config reads no labels (LoadAnnotations): --labels has no meaning')
    gathered = dict(
        seg_map_path=str(labels),
        label_map=getattr(leaf, 'label_map', None),
        reduce_zero_label=getattr(leaf, 'reduce_zero_label', False),
        seg_fields=[],
    )
    for step in steps:
        gathered = step(gathered)
    label = gathered['gt_seg_map']
    if label.ndim != 2:
        raise ValueError(f'{labels} must be one map of class numbers [H, W], got shape {list(label.shape)}')
    return label.astype(np.int64)


def _ignore_label(model: nn.Module) -> int:
    """What the metrics of the test leave out."""
    evaluator = model.cfg.get('test_evaluator')
    with scope_of(model.cfg):
        metrics = Evaluator(evaluator).metrics if evaluator else []
    return ignore_label(metrics, described_dataset(model.cfg), model)


def _filled(meta: Mapping[str, Any], size: Sequence[int]) -> tuple[float, float]:
    """Shares of the network's input, height and width, that the image takes up; the whole where nothing says."""
    if 'ori_shape' not in meta or 'scale_factor' not in meta:
        return 1.0, 1.0
    ratios = np.resize(np.asarray(meta['scale_factor'], np.float64), 2)[::-1]  # of the width first, or of both
    return tuple(
        min(1.0, float(length * ratio / whole)) for length, ratio, whole in zip(meta['ori_shape'], ratios, size)
    )


def _gridding(model: nn.Module) -> dict:
    try:
        return measure_with_and_without(blocks_of(model))
    except ValueError:  # a backbone without such blocks
        return {}


def _judge(
    view: ModelView, names: Sequence[str], predicted: np.ndarray, label: np.ndarray, ignore: int, pixels: np.ndarray
) -> None:
    """Adds where the prediction is wrong, and how wrong it is near borders."""
    if predicted.shape != label.shape:
        raise ValueError(
            f'the label map has size {list(label.shape)}, the prediction {list(predicted.shape)}: give the map that '
            'belongs to the image'
        )
    known = label != ignore
    classes = len(names)
    if known.any() and not 0 <= label[known].min() <= label[known].max() < classes:
        raise ValueError(
            f'the label map holds numbers from {label[known].min()} to {label[known].max()}, the data set has '
            f'{classes} classes and ignores {ignore}'
        )
    view.errors = error_picture(pixels, predicted != label, known)
    metric = TrimapIoU(ignore_index=ignore)
    metric.dataset_meta = dict(classes=names)
    classified = np.where(predicted < classes, predicted, NO_CLASS)
    maps = [np.where(known, each, VOID).astype(np.int32) for each in (classified, label)]
    view.trimap = {
        width: class_means(iou_percent(*areas)) for width, areas in zip(metric.widths, metric.measure(*maps))
    }


def error_picture(pixels: np.ndarray, wrong: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The image in pale grey, red where the prediction is wrong, dark where there is no label; RGB bytes [H, W, 3]."""
    grey = pixels.astype(np.float64).mean(axis=2)
    picture = np.repeat((128 + grey / 2)[..., None], 3, axis=2)
    picture[wrong & known] = (205, 30, 30)
    picture[~known] = (grey / 4)[~known, None]
    return picture.astype(np.uint8)
