"""`boundaries` measures what the models predict, and joins the runs of one method."""

import csv
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

import cv2
import pytest
from boundary_loops import loops_bf, loops_boundary_iou, loops_trimap

pytest.importorskip('matplotlib', reason='matplotlib draws')
NAMES = ('another.png', 'one.png')


@pytest.fixture
def models(world):
    """Two images, and three models of one config that see two classes in each."""
    import torch

    for name in NAMES:
        world.image(name, size=(24, 30))
    config = world.config("model['decode_head'].update(in_channels=4, in_index=0)")  # finer than one answer an image

    def edited(number):
        def edit(state_dict):
            random = torch.Generator().manual_seed(number)
            state_dict['decode_head.conv_seg.bias'].zero_()
            state_dict['decode_head.conv_seg.weight'].normal_(generator=random)

        return world.weights(config, f'{number}.pth', edit)

    return config, [edited(number) for number in range(3)]


def by_loops(config, weights, names):
    from freqfusion_mm.apis import inference, init_model

    model = init_model(config, weights, 'cpu')
    pairs = [
        (inference(model, f'data/img/{name}').pred_sem_seg.data[0].numpy(), cv2.imread(f'data/sem/{name}', -1))
        for name in names
    ]
    return {**loops_boundary_iou(pairs, 0.02), **loops_bf(pairs, 0.0075), **loops_trimap(pairs, (1, 3))}


def test_it_measures_what_the_models_predict(models, command):
    config, weights = models
    chosen = [word for file in weights for word in ('--model', config, file)]
    titles = ('--title', 'stock', '--title', 'learned', '--title', 'learned')
    done = command('boundaries', *chosen, *titles, '--widths', 1, 3, '--out', 'borders')
    assert done.status == 0, done.err
    with open('borders/boundaries.csv') as file:
        rows = list(csv.DictReader(file))
    assert [row.pop('model') for row in rows] == ['stock', 'learned', 'learned']
    for row, file in zip(rows, weights):
        assert {key: float(value) for key, value in row.items()} == pytest.approx(
            by_loops(config, file, NAMES), abs=1e-2
        )
    assert len({row['BF'] for row in rows}) == 3
    assert '| model | Boundary IoU | BF | mIoU within 1 px | mIoU within 3 px |' in done.out
    learned = next(line for line in done.out.splitlines() if line.startswith('| learned (2) |'))
    mean = fmean(float(row['BF']) for row in rows[1:])
    assert f'| {mean:.1f} ± ' in learned and '| stock |' in done.out
    assert cv2.imread('borders/trimap.png').shape[0] > 300


def test_every_metric_leaves_out_what_the_test_leaves_out(monkeypatch):
    from freqfusion_mm.apis import boundaries

    monkeypatch.setattr(boundaries, 'task_of', lambda model: 'segmentation')
    dataset = SimpleNamespace(metainfo=dict(classes=('a', 'b'), palette=None))
    trained = SimpleNamespace(model=None, dataset=dataset, ignore_label=lambda: 7)
    evaluator = boundaries.boundary_evaluator(trained, [1, 2])
    assert [metric.ignore_index for metric in evaluator.metrics] == [7, 7, 7]


def test_some_images_are_spread_over_the_data_set():
    """CIFAR-10's files stand class by class: the first thousand would be airplanes."""
    from freqfusion_mm.apis.trained import Trained

    chosen = {images: Trained.spread(SimpleNamespace(dataset=range(10)), images) for images in (None, 1, 4, 99)}
    assert chosen == {None: [*range(10)], 1: [0], 4: [0, 2, 5, 7], 99: [*range(10)]}


def test_some_images_and_what_cannot_be_read(models, command):
    config, weights = models
    one = ('boundaries', '--model', config, weights[0], '--widths', 1, 3, '--out', 'borders')
    done = command(*one, '--images', 1)
    assert done.status == 0, done.err
    with open('borders/boundaries.csv') as file:
        (row,) = csv.DictReader(file)
    assert row['model'] == 'config'
    assert float(row['BF']) == pytest.approx(by_loops(config, weights[0], NAMES[:1])['BF'], abs=1e-2)
    Path('data/img/one.png').write_bytes(b'no image')
    done = command(*one)
    assert done.status == 1 and 'one.png' in done.err and '| config |' in done.out
    Path('photo').mkdir()
    Path('photo/trimap.png').write_bytes(Path('data/img/another.png').read_bytes())
    done = command(*one[:-1], 'photo')
    assert done.status == 1 and 'trimap.png would be overwritten' in done.err
    for wrong in (('--widths', 0), ('--images', 0)):
        done = command(*one, *wrong)
        assert done.status == 1 and done.err.startswith('error: ') and str(wrong[0]).strip('-') in done.err
