#!/usr/bin/env python
"""Pictures of a test set, one a row: input, ground truth, and the prediction of each model.

python tools/side_by_side.py --model CONFIG CHECKPOINT [--model CONFIG CHECKPOINT ...] --out PICTURE.png
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, VISUALIZERS, DefaultScope, init_default_scope
from mmengine.visualization import Visualizer
from PIL import Image

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
from freqfusion_mm.apis.launch import check_data, load_config, plain_errors

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (after the backend is chosen)


def parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--model',
        nargs=2,
        action='append',
        required=True,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a column; all models are shown the pictures of the first one',
    )
    parser.add_argument('--title', action='append', default=[], help='of each --model; default: the config name')
    parser.add_argument('--images', nargs='+', type=int, default=[0, 1, 2, 3], help='numbers in the test set')
    parser.add_argument('--score-thr', type=float, default=0.3, help='detections below it are not drawn')
    parser.add_argument('--labels', action='store_true', help='write class names into the pictures')
    parser.add_argument('--out', required=True, help='the picture to write')
    parser.add_argument('--traceback', action='store_true', help='on an error, show where it arose')
    return parser


class Model:
    """A trained model with the test set and the visualizer of its config."""

    def __init__(self, config: str, checkpoint: str) -> None:
        self.cfg: Config = load_config(
            Namespace(config=config, launcher='none', local_rank=0, cfg_options=None, work_dir=None)
        )
        check_data(self.cfg, 'test_dataloader')
        self._enter_scope()
        self.dataset = DATASETS.build(self.cfg.test_dataloader.dataset)
        self.model = MODELS.build(self.cfg.model).eval()
        load_strictly(self.model, read_checkpoint(checkpoint), checkpoint)
        self.model.dataset_meta = self.dataset.metainfo
        Visualizer._instance_dict.clear()  # mmengine keeps one per name, and two models may share theirs
        self.visualizer = VISUALIZERS.build({**self.cfg.visualizer, 'vis_backends': None})
        self.visualizer.dataset_meta = self.dataset.metainfo

    def _enter_scope(self) -> None:
        DefaultScope._instance_dict.clear()
        init_default_scope(self.cfg.get('default_scope', 'mmengine'))

    def rows(self, numbers: list[int], score_thr: float, labels: bool) -> list[tuple[np.ndarray, ...]]:
        """For each number: RGB pictures of the input, of the ground truth and of the prediction."""
        self._enter_scope()
        rows = []
        for number in numbers:
            batch = pseudo_collate([self.dataset[number]])
            with torch.no_grad():
                sample = self.model.test_step(batch)[0].cpu()
            image = np.asarray(Image.open(sample.img_path).convert('RGB'))
            rows.append((image, *(self._draw(image, sample, truth, score_thr, labels) for truth in (True, False))))
        return rows

    def _draw(self, image: np.ndarray, sample, truth: bool, score_thr: float, labels: bool) -> np.ndarray:
        options = dict(draw_gt=truth, draw_pred=not truth)
        if self.cfg.default_scope == 'mmseg':
            options['with_labels'] = labels
        else:
            options['pred_score_thr'] = score_thr
        with TemporaryDirectory() as folder:
            file = str(Path(folder) / 'drawn.png')
            self.visualizer.add_datasample('drawn', image, sample, out_file=file, **options)
            return np.asarray(Image.open(file).convert('RGB'))


def save(columns: list[tuple[str, list[np.ndarray]]], out: str) -> None:
    """Write the columns, each a title and one picture a row."""
    rows = len(columns[0][1])
    figure, axes = pyplot.subplots(
        rows, len(columns), figsize=(2.4 * len(columns), 2.5 * rows), squeeze=False, layout='constrained'
    )
    for axis, (title, pictures) in zip(axes.T, columns):
        axis[0].set_title(title, fontsize=10)
        for cell, picture in zip(axis, pictures):
            cell.imshow(picture, interpolation='nearest')
            cell.axis('off')
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    pyplot.close(figure)


def main() -> None:
    args = parser().parse_args()
    with plain_errors(args.traceback, while_building=True):
        models = [Model(*pair) for pair in args.model]
        wrong = [n for n in args.images if not 0 <= n < len(models[0].dataset)]
        if wrong:
            raise ValueError(f'--images wants numbers from 0 to {len(models[0].dataset) - 1}, got {wrong}')
        titles = args.title + [Path(config).stem for config, _ in args.model[len(args.title) :]]
    columns = []
    for title, model in zip(titles, models):
        images, truths, predictions = zip(*model.rows(args.images, args.score_thr, args.labels))
        if not columns:
            columns = [('input', images), ('ground truth', truths)]
        columns.append((title, predictions))
    save(columns, args.out)
    print(f'{args.out}: {len(args.images)} rows of {len(columns)} pictures')


if __name__ == '__main__':
    main()
