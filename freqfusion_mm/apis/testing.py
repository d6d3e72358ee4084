"""A test run: evaluate a checkpoint, and keep or draw what it predicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmengine.runner import Runner

from ..engine.plain_model import plain_model
from .channels import channels_taken, swaps_channels
from .checkpoint import existing_file
from .classes import check_countable, dataset_meta, ignore_label, outputs_of
from .config import check_parts, load_config
from .data import check_data, innermost
from .model import task_of
from .outputs import KeepMaps, MapWriter, check_out, check_out_folder, output_names
from .pictures import DataSetReader, SavePictures
from .pixels import steps_of
from .runner import StrictLoading, build_runner, use_tta
from .unreadable import ReadableLoader, steps_together, summary


@dataclass
class Evaluation:
    """A test run that is ready to start.

    Attributes:
        runner: mmengine's.
        pictures: the hook that draws, if any.
    """

    runner: Runner
    pictures: SavePictures | None

    def run(self) -> str:
        """Evaluates; returns a line about the images that could not be read, empty if there were none."""
        self.runner.test()
        failures = self.runner.test_loop.dataloader.failures
        return summary(failures) if failures else ''


def build_test(
    config: str | Path | Config,
    checkpoint: str | Path,
    *,
    cfg_options: Mapping[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
    out: str | None = None,
    show_dir: str | None = None,
    tta: bool = False,
) -> Evaluation:
    """Builds everything that a test run needs, so that what is wrong shows before any work.

    Args:
        config: a file, the name of one of ours, or a config.
        checkpoint: of its model.
        cfg_options, work_dir, launcher: of `load_config`.
        out: a .pkl file for all predictions, or a folder for maps.
        show_dir: a folder for pictures.
        tta: average over augmented views.

    Raises:
        ValueError: `out` is a folder and the model predicts no maps, or it is that of `show_dir`; there is no
            `tta_model`; no scope that draws; a detector with more outputs than COCO's metric can count; a part of the
            config that a test wants is missing.
        FileNotFoundError: the data is not there.
        CheckpointError: no such checkpoint.
    """
    if out and show_dir and Path(out).resolve() == Path(show_dir).resolve():
        raise ValueError(f'--out and --show-dir are both {out}, where maps and pictures would have the same names')
    if '://' not in str(checkpoint):  # what mmengine fetches
        existing_file(checkpoint)
    cfg = load_config(config, cfg_options, work_dir, launcher)
    cfg.load_from, cfg.resume = str(checkpoint), False
    check_parts(cfg, 'test_dataloader', 'test_cfg', 'test_evaluator')
    if tta:
        use_tta(cfg)
    check_data(cfg, 'test_dataloader')
    runner = build_runner(cfg)
    loop = runner.test_loop
    dataset, metrics = loop.dataloader.dataset, loop.evaluator.metrics
    runner.register_hook(StrictLoading(str(checkpoint), dataset))
    model = plain_model(runner)
    if any(hasattr(metric, 'ignore_index') for metric in metrics):
        ignore_label(metrics, dataset, model)
    check_countable(model, dataset, metrics)
    pictures = None
    if show_dir:
        kept_rgb = not swaps_channels(model.data_preprocessor)
        pictures = SavePictures(cfg, show_dir, dataset, dataset_meta(dataset, model), kept_rgb)
        runner.register_hook(pictures)
    if out and out.endswith(('.pkl', '.pickle')):
        metrics.append(DumpResults(out_file_path=str(check_out(out, checkpoint))))
    elif out:
        metrics.append(keep_maps(out, dataset, model))
    loop.dataloader = ReadableLoader(loop.dataloader, channels_taken(model), steps_together(runner))
    return Evaluation(runner, pictures)


def keep_maps(folder: str, dataset: Any, model: Any) -> KeepMaps:
    """A metric that writes the predicted maps of a data set; see `MapWriter` for the numbers.

    Raises:
        ValueError: the model predicts no maps; the name is that of a file.
        FileExistsError: a file that is not ours would be overwritten.
    """
    task = task_of(model)
    if task not in ('segmentation', 'depth'):
        raise ValueError(
            f'--out wants a .pkl file, but got {folder}; a folder of maps is for semantic segmentation and depth, '
            f'and this is {task}'
        )
    if guess_type(folder)[0]:  # a name such as results.json
        raise ValueError(f'--out wants a .pkl file or a folder for maps, got {folder}, which is the name of a file')
    names = output_names(DataSetReader(dataset).paths)
    checked = check_out_folder(folder, (f'{name}.png' for name in names.values()))
    return KeepMaps(str(checked), names, map_writer(model, dataset))


def map_writer(model: Any, dataset: Any) -> MapWriter:
    """How the numbers of a model's maps are written: as in the label files of a built data set."""
    leaf = innermost(dataset)[0]
    return MapWriter(outputs_of(model), getattr(leaf, 'reduce_zero_label', False), depth_unit(steps_of(leaf)))


def depth_unit(steps: list) -> float:
    """The depth of the number 1 in a label file, by the step that reads it; a millimetre where none does."""
    return next((step.depth_rescale_factor for step in steps if hasattr(step, 'depth_rescale_factor')), 1e-3)
