"""Predictions for folders of images, written beside each other: label maps, depths, overlays."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..visualization.depth import depth_colours
from ..visualization.label_overlay import overlay, shares
from ..visualization.prediction import build_visualizer, draw_prediction
from .classes import complete_meta, outputs_of
from .config import scope_of
from .data import described_dataset
from .errors import UnreadableImage
from .model import task_of
from .outputs import MapWriter, check_out_folder, find_images, output_names, save_picture
from .pixels import blamed_on
from .predictions import image_pipeline, pipeline_steps, predict
from .testing import depth_unit

#: task -> what is written for an image.
WRITTEN = {'segmentation': ('labels', 'overlay'), 'depth': ('depth', 'overlay'), 'detection': ('overlay',)}


@dataclass
class Report:
    """What came of a folder.

    Attributes:
        lines: one for each image that was predicted.
        failures: one for each that could not be read or predicted.
        seconds: that the network took, for each image.
        size: height and width of the last image.
    """

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)

    @property
    def median(self) -> float:
        """Seconds an image."""
        return statistics.median(self.seconds) if self.seconds else 0.0


class FolderPredictor:
    """Predicts for images and writes what the model's task asks for.

    Args:
        model: of `init_model`.
        opacity: of colours over the image, 0 to 1.
        score_thr: detections below it are not drawn.

    Raises:
        ValueError: a model that predicts something else; a segmentor without class names; an opacity out of range.
    """

    def __init__(self, model: nn.Module, opacity: float = 0.5, score_thr: float = 0.3) -> None:
        if not 0 <= opacity <= 1:
            raise ValueError(f'the opacity is a number from 0 to 1, got {opacity}')
        self.task = task_of(model)
        if self.task not in WRITTEN:
            raise ValueError(f'pictures are written for {", ".join(WRITTEN)}, and this model does {self.task}')
        self.model = model
        self.meta = getattr(model, 'dataset_meta', None) or complete_meta({})
        self.pipeline = image_pipeline(model)
        if self.task == 'segmentation' and not self.meta['classes']:
            raise ValueError(
                'neither the checkpoint nor the data set of the config names classes: set '
                'test_dataloader.dataset.metainfo.classes'
            )
        self.opacity = opacity
        self.score_thr = score_thr
        self._writer = MapWriter(outputs_of(model), self.meta['reduce_zero_label'], depth_unit(pipeline_steps(model)))
        if self.task == 'detection':
            with scope_of(model.cfg):
                self._visualizer = build_visualizer(model.cfg, self.meta)

    def find(self, images: Sequence[str | Path]) -> list[Path]:
        """The images that these files and folders hold, those with the suffix of the config's data set too.

        Raises:
            FileNotFoundError: no such image or folder.
        """
        suffix = getattr(described_dataset(self.model.cfg), 'img_suffix', None)
        return find_images(images, [suffix] if suffix else [])

    def run(self, images: Sequence[str | Path], out: str | Path, done: Callable[[], None] = lambda: None) -> Report:
        """Predicts for files, and for all images below folders.

        Args:
            images: files and folders.
            out: the folder to write into; subfolders are kept.
            done: called after each image.

        Raises:
            FileNotFoundError: no such image or folder.
            FileExistsError: something that is not ours would be overwritten.
            OSError: the folder cannot be written to.
        """
        names = output_names(self.find(images))
        out = check_out_folder(out, (f'{name}_{kind}.png' for name in names.values() for kind in WRITTEN[self.task]))
        report = Report()
        for file, name in names.items():
            try:
                sample, pixels = self.pipeline(file)
                start = time.perf_counter()
                with blamed_on(
                    file, 'predicted', RuntimeError, ValueError
                ):  # too narrow, too large for the memory, ...
                    result = predict(self.model, sample)
                    if torch.cuda.is_available():
                        torch.cuda.synchronize()
                report.seconds.append(time.perf_counter() - start)
            except UnreadableImage as error:
                report.failures.append(str(error))
            else:
                pictures, said = self._pictures(result.cpu(), pixels)
                for kind, picture in pictures.items():
                    save_picture(picture, out / f'{name}_{kind}.png')
                report.lines.append(f'{name}: {said}')
                report.size = pixels.shape[:2]
            done()
        return report

    def _pictures(self, result, pixels: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
        if self.task == 'segmentation':
            labels = result.pred_sem_seg.data[0].numpy().astype(np.int64)
            said = [
                f'{self.meta["classes"][number]} {100 * share:.1f} %' for number, share in shares(labels, self.meta)
            ]
            pictures = dict(
                labels=self._writer.labels(result.pred_sem_seg.data),
                overlay=overlay(pixels, labels, self.meta, self.opacity),
            )
            return pictures, ', '.join(said)
        if self.task == 'depth':
            depth = result.pred_depth_map.data[0].numpy()
            colours = depth_colours(depth).astype(np.float64)
            blend = (1 - self.opacity) * pixels + self.opacity * colours
            pictures = dict(depth=self._writer.depths(result.pred_depth_map.data), overlay=blend.astype(np.uint8))
            return pictures, f'depth {depth.min():.3g} to {depth.max():.3g}'
        with scope_of(self.model.cfg):
            picture = draw_prediction(self._visualizer, pixels, result, score_thr=self.score_thr)
        if 'pred_panoptic_seg' in result:
            return dict(overlay=picture), f'{len(result.pred_panoptic_seg.sem_seg.unique())} segments'
        instances = result.pred_instances
        return dict(overlay=picture), f'{int((instances.scores >= self.score_thr).sum())} objects'
