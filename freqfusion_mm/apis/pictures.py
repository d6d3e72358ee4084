"""Pictures of a test run in every framework: what the pipeline read, with annotation and prediction over it."""

import os
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..visualization.prediction import build_visualizer, draw_prediction
from .config import scope_of
from .data import innermost
from .outputs import check_out_folder, image_name, output_names, save_picture
from .pixels import ImagePipeline, displayed, reads_labels, steps_of, swapped

#: What a data sample calls its annotation, whichever the framework.
TRUTHS = ('gt_sem_seg', 'gt_depth_map', 'gt_instances', 'gt_panoptic_seg')


class DataSetReader:
    """Reads the pixels and annotations of a data set's images again, by the data set's own steps.

    Args:
        dataset: built.
        kept_rgb: pixels that the data set keeps itself (mmpretrain's CIFAR) are RGB. No data set says; those of a model
            whose preprocessor does not swap channels are.
    """

    def __init__(self, dataset: Any, kept_rgb: bool = False) -> None:
        self.kept_rgb = kept_rgb
        self._places: dict[str, tuple[ImagePipeline, Any, int]] = {}
        for leaf in innermost(dataset):
            if not steps_of(leaf) or not hasattr(leaf, 'get_data_info'):
                continue
            pipeline = ImagePipeline(steps_of(leaf))
            for index in range(len(leaf)):
                self._places[image_name(leaf.get_data_info(index))] = pipeline, leaf, index

    @property
    def paths(self) -> list[str]:
        """Of all images, as `image_name` has them."""
        return list(self._places)

    def __call__(self, sample: Any) -> Any:
        """The pixels of the image of a data sample, as the pipeline reads them: BGR where there are three channels."""
        pipeline, leaf, index = self._places[image_name(sample)]
        info = leaf.get_data_info(index)
        kept = 'img' in info
        pixels = pipeline.read_info(info)[0]['img']
        return swapped(pixels) if kept and self.kept_rgb else pixels

    def with_truth(self, sample: Any) -> Any:
        """A data sample whose annotation is that of the image as it was read.

        A pipeline that reads labels before it resizes leaves boxes and maps of another size than the picture.
        """
        pipeline, leaf, index = self._places[image_name(sample)]
        labels, pack = [step for step in steps_of(leaf) if reads_labels(step)], steps_of(leaf)[-1]
        if not labels or not type(pack).__name__.startswith('Pack'):
            return sample
        gathered = pipeline.read_info(leaf.get_data_info(index))[0]
        for step in [*labels, pack]:
            gathered = step(gathered)
        sample, truth = sample.clone(), gathered['data_samples']
        boxes = getattr(getattr(truth, 'gt_instances', None), 'bboxes', None)
        if hasattr(boxes, 'tensor'):  # a model's preprocessor unwraps them
            truth.gt_instances.bboxes = boxes.tensor
        for key in TRUTHS:
            if key in truth:
                setattr(sample, key, truth.get(key))
        return sample


class SavePictures(Hook):
    """Draws every sample of a test into a folder, whatever the config says of pictures.

    Args:
        cfg: the config.
        folder: where to; subfolders of the data set are kept.
        dataset: the built test set.
        meta: `classes` and `palette`.
        kept_rgb: of `DataSetReader`.

    Raises:
        ValueError: the config's `default_scope` is none that draws.
        FileExistsError: a picture that is not ours would be overwritten.
    """

    def __init__(
        self, cfg: Config, folder: str | os.PathLike, dataset: Any, meta: dict, kept_rgb: bool = False
    ) -> None:
        self.read = DataSetReader(dataset, kept_rgb)
        self.names = output_names(self.read.paths)
        self.folder = check_out_folder(folder, (f'{name}.png' for name in self.names.values()))
        self.written = 0
        with scope_of(cfg):
            self.visualizer = build_visualizer(cfg, meta)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        for sample in outputs or []:
            image = displayed(self.read(sample))
            picture = draw_prediction(self.visualizer, image, self.read.with_truth(sample.cpu()), truth=True)
            save_picture(picture, self.folder / f'{self.names[image_name(sample)]}.png')
            self.written += 1
