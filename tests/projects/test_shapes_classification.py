"""The classification view of Shapes: one picture a thing, from the annotations, equal files for equal arguments."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip('cv2', reason='Shapes is drawn with OpenCV')
pytest.importorskip('pycocotools', reason='COCO masks are written with pycocotools')
pytest.importorskip('tqdm', reason='the generator shows its progress with tqdm')

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects' / 'shapes'))

import make_classification  # noqa: E402
import make_shapes  # noqa: E402
from shapes_dataset.classes import THINGS  # noqa: E402

from freqfusion_mm.datasets.manifest import check_dataset  # noqa: E402


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'shapes'
    words = '--height 61 --width 83 --train 5 --val 3 --workers 1'.split()
    assert make_shapes.main([str(root), *words]) == 0
    return root


@pytest.fixture(scope='module')
def folder(source):
    root = source.parent / 'classification'
    assert make_classification.main([str(root), '--source', str(source)]) == 0
    return root


def contents(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_every_thing_is_one_picture_in_its_class(source, folder):
    check_dataset(folder, required=('train', 'val'), version=make_classification.VERSION)
    for split in ('train', 'val'):
        coco = json.loads((source / 'annotations' / f'instances_{split}.json').read_text())
        wanted = {(THINGS[thing['category_id'] - 1], f'{thing["id"]:06d}') for thing in coco['annotations']}
        found = sorted((folder / split).glob('*/*.png'))
        assert {(path.parent.name, path.stem) for path in found} == wanted and len(found) == len(wanted)
        assert {cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape for path in found} == {(48, 48, 3)}
        assert {path.name for path in (folder / split).iterdir()} == set(THINGS)


def test_a_picture_shows_its_box():
    """A white box on black: the margin stays black, and the share of white is that of the box."""
    image = np.zeros((128, 128, 3), np.uint8)
    image[40:80, 50:90] = 255  # 40 pixels; with a margin of a tenth the square has 48
    picture = make_classification.cut_out(image, [50, 40, 40, 40], size=48, margin=0.1)
    wanted = np.zeros((48, 48, 3), np.uint8)
    wanted[4:44, 4:44] = 255
    assert (picture == wanted).all()


@pytest.mark.parametrize('box', [[0, 0, 30, 20], [53, 41, 30, 20], [0, 0, 83, 61]])
def test_at_the_border_the_square_lies_inside(box):
    """Nothing but the image's own pixels: the picture's values stay between its extremes, and all of them are seen."""
    image = np.full((61, 83, 3), 7, np.uint8)
    x, y, width, height = box
    image[y : y + height, x : x + width] = 200
    picture = make_classification.cut_out(image, box, size=24, margin=0.2)
    assert picture.shape == (24, 24, 3) and picture.min() >= 7 and picture.max() == 200
    area = min(width * height / min(round(width * 1.4), 61) ** 2, 1)
    assert (picture[..., 0] > 100).mean() == pytest.approx(area, abs=0.08)


def test_equal_arguments_give_equal_files(source, folder, tmp_path, capsys):
    assert make_classification.main([str(tmp_path / 'a'), '--source', str(source)]) == 0
    assert contents(tmp_path / 'a') == contents(folder)
    capsys.readouterr()
    assert make_classification.main([str(folder), '--source', str(source)]) == 0
    assert 'complete already' in capsys.readouterr().out
    assert make_classification.main([str(folder), '--source', str(source), '--size', '32']) == 1
    assert "'size': 48" in (error := capsys.readouterr().err) and 'Add --overwrite' in error


def test_a_missing_or_broken_source_is_named(source, tmp_path, capsys):
    assert make_classification.main([str(tmp_path / 'a'), '--source', str(tmp_path / 'none')]) == 1
    assert 'make_shapes.py' in capsys.readouterr().err
    assert not (tmp_path / 'a').exists()


@pytest.mark.parametrize('arguments', [['--size', '4'], ['--margin', '-1']])
def test_wrong_arguments(tmp_path, capsys, arguments):
    with pytest.raises(SystemExit):
        make_classification.main([str(tmp_path / 'a'), *arguments])
    assert arguments[0] in capsys.readouterr().err


def test_mmpretrain_reads_it(folder):
    pytest.importorskip('mmpretrain', reason='mmpretrain is an extra')
    pytest.importorskip('torchvision', reason='mmpretrain imports torchvision, and does not install it')
    from mmengine.registry import DATASETS, DefaultScope
    from mmpretrain.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    DefaultScope.get_instance('test_mmpretrain_reads_it', scope_name='mmpretrain')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(
            dict(
                type='CustomDataset',
                data_root=str(folder),
                data_prefix='val',
                pipeline=[dict(type='LoadImageFromFile')],
            )
        )
    classes = dataset.metainfo['classes']
    assert classes == tuple(sorted(THINGS))  # it numbers the folders by name, whatever `classes` one gives it
    items = [dataset[i] for i in range(len(dataset))]
    assert len(items) == len(list((folder / 'val').glob('*/*.png')))
    assert all(classes[int(item['gt_label'])] == Path(item['img_path']).parent.name for item in items)
