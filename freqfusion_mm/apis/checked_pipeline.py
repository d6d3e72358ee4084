"""A data set's pipeline that names what it cannot read, and what does not fit together."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import Compose

from .. import compat
from .classes import LearnedLabels
from .data import innermost
from .errors import UnreadableImage, WrongLabels
from .pixels import FILES, Step, check_channels, check_files, read_by, reads_labels

MAPS = ('gt_seg_map', 'gt_depth_map')  # what steps that read labels call them
#: So many bad samples after one another are no accident, and mmengine would try a thousand and then not say why.
IN_A_ROW = 200


class CheckedPipeline(Compose):
    """The same steps, around which files, sizes of label maps, channels and the numbers of classes are checked.

    Args:
        steps: built transforms, in order.
        channels: of `channels_taken`.
        report: a file that gets a line for each bad sample, of which nothing is given then, so that mmengine takes
            another one, up to `IN_A_ROW` times; None: an `UnreadableImage` is raised.
        labels: of `learned_labels`; None: any.

    Raises:
        UnreadableImage: see `report`.
        WrongLabels: a label map or an object, as it is packed, has a number that the model cannot learn.
    """

    def __init__(
        self,
        steps: list[Step],
        channels: Collection[int] | None,
        report: Path | None,
        labels: LearnedLabels | None = None,
    ) -> None:
        self.transforms = steps
        self.channels = channels
        self.report = report
        self.labels = labels
        self.failed = 0  # after one another
        self.whole: set[tuple] = set()  # files that were found whole, which may take as long as decoding them

    def __setstate__(self, state: dict[str, Any]) -> None:
        compat.apply()  # a process that was spawned, not forked, has the frameworks as they are
        self.__dict__.update(state)

    def __call__(self, data: dict) -> dict | None:
        try:
            sample = self._run(data)
        except UnreadableImage as error:
            if self.report is None:
                raise
            with open(self.report, 'a', encoding='utf-8', errors='backslashreplace') as file:  # names may be odd
                file.write(f'{error}\n')
            self.failed += 1
            if self.failed == IN_A_ROW:
                raise UnreadableImage(
                    f'{IN_A_ROW} samples one after another cannot be used; the last: {error}'
                ) from None
            return None
        self.failed = 0
        return sample

    def _run(self, data: dict) -> dict | None:
        image = data.get('img_path')
        label = data.get('seg_map_path') or data.get('depth_map_path') or image
        files = tuple(str(data.get(key)) for key in FILES)
        if files not in self.whole:
            check_files(data)
            self.whole.add(files)
        for step in self.transforms:
            if reads_labels(step):
                data = read_by(step, data, label)
                _check_sizes(data, label)
            elif 'img' not in data and 'inputs' not in data:
                data = read_by(step, data, image)
            else:
                data = step(data)
            if data is None:
                return None
        check_channels(data, image, self.channels)
        if self.labels is not None:
            _check_numbers(data, label, self.labels)
        return data


def check_reading(
    dataset: Any,
    channels: Collection[int] | None = None,
    report: Path | None = None,
    labels: LearnedLabels | None = None,
) -> None:
    """Puts a `CheckedPipeline` in the place of each pipeline of a built data set, wrapped or concatenated."""
    for leaf in innermost(dataset):
        steps = getattr(getattr(leaf, 'pipeline', None), 'transforms', None)
        if steps:
            leaf.pipeline = CheckedPipeline(steps, channels, report, labels)


def _check_sizes(data: dict, path: Any) -> None:
    sizes = [tuple(data[key][:2]) for key in ('img_shape', 'ori_shape') if key in data]
    for key in MAPS:
        shape = getattr(data.get(key), 'shape', ())[:2]
        if sizes and shape and tuple(shape) not in sizes:
            raise UnreadableImage(
                f'{path} cannot be used: the map has {shape[0]}x{shape[1]} pixels, its image '
                f'{sizes[-1][0]}x{sizes[-1][1]}'
            )


def _check_numbers(data: dict, path: Any, labels: LearnedLabels) -> None:
    sample = data.get('data_samples')
    if labels.ignored is None:
        numbers = getattr(getattr(sample, 'gt_instances', None), 'labels', None)
        remedy = (
            ". Set num_classes of every head to the data set's, or name the classes in the metainfo of the data set"
        )
    else:
        numbers = getattr(getattr(sample, 'gt_sem_seg', None), 'data', None)
        remedy = (
            f' and leaves out {labels.ignored}. Set num_classes and ignore_index of every head (and reduce_zero_label '
            "of the data set) to the data set's, or correct the map"
        )
    if numbers is None:
        return
    wrong = (numbers < 0) | (numbers >= labels.outputs)
    if labels.ignored is not None:
        wrong &= numbers != labels.ignored
    if wrong.any():
        found = torch.unique(numbers[wrong]).tolist()
        shown = ', '.join(map(str, found[:5])) + ', ...' * (len(found) > 5)
        raise WrongLabels(
            f'{path} has the label{"s" * (len(found) > 1)} {shown} after its pipeline; the model learns 0 to '
            f'{labels.outputs - 1}{remedy}'
        )
