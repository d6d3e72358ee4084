"""The Shapes data set: exact labels, colours that tell nothing, equal files for equal arguments."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip('cv2', reason='Shapes is drawn with OpenCV')
rle = pytest.importorskip('pycocotools.mask', reason='COCO masks are written with pycocotools')
pytest.importorskip('tqdm', reason='the generator shows its progress with tqdm')

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects' / 'shapes'))

import make_shapes  # noqa: E402
from shapes_dataset.classes import CLASSES, PALETTE, STUFF, THINGS  # noqa: E402
from shapes_dataset.outlines import OUTLINES  # noqa: E402
from shapes_dataset.scene import draw_scene, fill, pixel_share  # noqa: E402

from freqfusion_mm.datasets.manifest import MANIFEST, DatasetError, check_dataset  # noqa: E402

SMALL = ['--height', '61', '--width', '83', '--train', '5', '--val', '3']


def write(root, *arguments):
    return make_shapes.main([str(root), *SMALL, '--workers', '1', *arguments])


def contents(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob('*') if p.is_file()}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'shapes'
    assert write(root) == 0
    return root


@pytest.fixture(scope='module')
def scenes():
    return [draw_scene(np.random.default_rng(seed), 96, 96) for seed in range(90)]


def test_equal_arguments_give_equal_files(folder, tmp_path):
    assert make_shapes.main([str(tmp_path / 'a'), *SMALL, '--workers', '2']) == 0
    assert contents(tmp_path / 'a') == contents(folder)


def test_an_image_depends_on_seed_split_and_number_alone(folder, tmp_path):
    assert write(tmp_path / 'more', '--train', '6', '--val', '1') == 0
    assert write(tmp_path / 'other', '--seed', '1') == 0
    roots = folder, tmp_path / 'more', tmp_path / 'other'
    wanted, more, other = map(contents, roots)
    pictures = [name for name in wanted if name.endswith('.png')]
    assert all(more[name] == wanted[name] for name in pictures if name in more)
    assert not any(other[name] == wanted[name] for name in pictures if 'images' in name)
    assert wanted['images/train/000001.png'] != wanted['images/val/000001.png']


def test_a_second_call_does_nothing(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
    assert write(folder) == 0
    assert 'complete already' in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


def test_files_agree_with_each_other(folder):
    """Semantic PNG, panoptic PNG and JSON, and instance JSON are one label told three ways."""
    for split, number in (('train', 5), ('val', 3)):
        instances, panoptic = (
            json.loads((folder / 'annotations' / f'{kind}_{split}.json').read_text())
            for kind in ('instances', 'panoptic')
        )
        assert len(instances['images']) == len(panoptic['annotations']) == number
        assert [c['name'] for c in panoptic['categories']] == list(CLASSES)
        assert [c['name'] for c in instances['categories']] == list(THINGS)
        ids = [thing['id'] for thing in instances['annotations']]
        assert ids == list(range(1, len(ids) + 1))
        for record in panoptic['annotations']:
            name = record['file_name']
            image = cv2.imread(str(folder / 'images' / split / name), cv2.IMREAD_UNCHANGED)
            semantic = cv2.imread(str(folder / 'semantic' / split / name), cv2.IMREAD_UNCHANGED)
            colours = cv2.imread(str(folder / 'panoptic' / split / name)).astype(int)
            segments = colours @ [65536, 256, 1]  # OpenCV reads BGR
            assert image.shape == (61, 83, 3) and semantic.shape == segments.shape == (61, 83)
            infos = record['segments_info']
            assert sorted(info['id'] for info in infos) == np.unique(segments).tolist()
            things = [t for t in instances['annotations'] if t['image_id'] == record['image_id']]
            masks = {}
            for info in infos:
                mask = segments == info['id']
                rows, cols = np.nonzero(mask)
                x, y, width, height = info['bbox']
                assert info['area'] == mask.sum() and info['iscrowd'] == 0
                assert [x, y, x + width - 1, y + height - 1] == [cols.min(), rows.min(), cols.max(), rows.max()]
                assert (semantic[mask] == info['category_id'] - 1).all()
                masks[tuple(info['bbox']), info['category_id']] = mask
            assert len(things) == sum(info['category_id'] <= len(THINGS) for info in infos)
            for thing in things:
                decoded = rle.decode(thing['segmentation']).astype(bool)
                wanted = masks[tuple(thing['bbox']), thing['category_id']]
                assert (decoded == wanted).all() and thing['area'] == wanted.sum()


def test_every_class_and_holes_and_occlusion_occur(scenes):
    labels = np.concatenate([scene.labels for scene in scenes])
    assert set(labels.tolist()) == set(range(len(CLASSES)))
    assert list(OUTLINES) == list(THINGS)
    holes = touching = 0
    for scene in scenes:
        assert set(np.unique(scene.segments)) == set(range(len(scene.labels)))
        for index, label in enumerate(scene.labels):
            if CLASSES[label] in STUFF:
                continue
            mask = (scene.segments == index).astype(np.uint8)
            _, levels = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            holes += int((levels[0, :, 3] >= 0).any())
            around = cv2.dilate(mask, np.ones((3, 3), np.uint8)) > mask
            touching += any(CLASSES[scene.labels[i]] in THINGS for i in np.unique(scene.segments[around]))
    assert holes > len(scenes) / 2 and touching > len(scenes) / 2


def test_stuff_takes_one_segment_a_class(scenes):
    for scene in scenes:
        stuff = [label for label in scene.labels if CLASSES[label] in STUFF]
        assert 1 <= len(stuff) == len(set(stuff))


def class_scores(scenes, bins):
    """Per-class share of right guesses of the best guess from a pixel's colour bin alone."""

    def colours(scene):
        return (scene.image.reshape(-1, 3).astype(int) * bins // 256) @ [1, bins, bins**2]

    half = len(scenes) * 2 // 3
    seen = np.zeros((bins**3, len(CLASSES)))
    for scene in scenes[:half]:
        np.add.at(seen, (colours(scene), np.array(scene.labels)[scene.segments].ravel()), 1)
    frequency = seen.sum(axis=0)
    guess = ((seen + frequency / frequency.sum()) / frequency).argmax(axis=1)
    right, total = np.zeros(len(CLASSES)), np.zeros(len(CLASSES))
    for scene in scenes[half:]:
        label = np.array(scene.labels)[scene.segments].ravel()
        total += np.bincount(label, minlength=len(CLASSES))
        right += np.bincount(label[guess[colours(scene)] == label], minlength=len(CLASSES))
    return right / total


@pytest.mark.parametrize('bins', [4, 8, 16])
def test_colour_does_not_tell_the_class(scenes, bins):
    chance = 1 / len(CLASSES)
    assert abs(class_scores(scenes, bins).mean() - chance) < 0.3 * chance


def test_the_colour_test_sees_a_colour_that_tells(scenes):
    """The control: painted with its class colour, each pixel gives its class away."""
    painted = [
        type(scene)(np.array(PALETTE, np.uint8)[np.array(scene.labels)][scene.segments], scene.segments, scene.labels)
        for scene in scenes
    ]
    assert class_scores(painted, 8).mean() > 0.9


def test_labels_lie_where_the_picture_changes(scenes):
    """Each segment's colours lie on one line (dark to light); under a shifted label they do not."""

    def spread(scene, shift):
        segments, total = np.roll(scene.segments, shift, (0, 1)), 0.0
        for index in range(len(scene.labels)):
            colours = scene.image[segments == index].astype(float)
            variances = np.linalg.eigvalsh(np.cov(colours.T)) if len(colours) > 3 else [0]
            total += len(colours) * sum(variances[:-1])
        return total / segments.size

    exact = np.mean([spread(scene, (0, 0)) for scene in scenes[:30]])
    for shift in ((0, 2), (2, 0)):
        assert np.mean([spread(scene, shift) for scene in scenes[:30]]) > 1.5 * exact


def test_a_pixel_is_shared_by_area():
    mask = np.zeros((8, 12), bool)
    mask[2:, 1:7] = True
    np.testing.assert_array_equal(pixel_share(mask), [[3 / 8, 3 / 8, 0], [3 / 4, 3 / 4, 0]])


def test_an_outline_fills_its_area():
    """Within a quarter of a pixel along its border, which OpenCV counts as inside."""
    for name, outline in OUTLINES.items():
        for seed in range(5):
            contours = [24 * c + 32.3 for c in outline(np.random.default_rng(seed))]
            mask, area = fill(contours, 64, 64)
            border = sum(cv2.arcLength(c.astype(np.float32), True) for c in contours)
            assert abs(pixel_share(mask).sum() - area) < border / 4, name


def spoil_truncate(root):
    path = root / 'annotations' / 'panoptic_val.json'
    path.write_bytes(path.read_bytes()[:-200])


def spoil_remove(root):
    (root / 'semantic' / 'train' / '000002.png').unlink()


def spoil_add(root):
    (root / 'images' / 'val' / '000009.png').write_bytes(b'')


@pytest.mark.parametrize(
    'spoil, named',
    [
        (spoil_truncate, "corrupt .*'annotations/panoptic_val.json'"),
        (spoil_remove, "missing.*'semantic/train/000002.png'"),
    ],
)
def test_a_spoilt_folder_is_named_and_replaced_on_demand(folder, tmp_path, capsys, spoil, named):
    root = tmp_path / 'shapes'
    assert write(root) == 0
    spoil(root)
    with pytest.raises(DatasetError, match=named):
        check_dataset(root, version=make_shapes.VERSION)
    assert write(root) == 1
    assert 'Add --overwrite' in capsys.readouterr().err
    assert write(root, '--overwrite') == 0
    assert contents(root) == contents(folder)


def test_other_arguments_are_named(folder, capsys):
    assert write(folder, '--seed', '9') == 1
    assert "'seed': 0" in (error := capsys.readouterr().err) and "'seed': 9" in error


def test_a_foreign_folder_is_never_replaced(tmp_path, capsys):
    """Nor one of the same names, of another data set."""
    diary = tmp_path / 'images' / 'diary.txt'
    diary.parent.mkdir()
    diary.write_text('mine')
    assert write(tmp_path, '--overwrite') == 1
    assert 'nothing says what it holds; remove it by hand' in capsys.readouterr().err
    manifest = dict(version='shapes-classification-1', arguments={}, files={})
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert write(tmp_path, '--overwrite') == 1
    assert "it is no folder of 'shapes'" in capsys.readouterr().err
    assert diary.read_text() == 'mine'


def test_a_folder_with_a_file_of_ones_own_is_not_replaced(tmp_path, capsys):
    root = tmp_path / 'shapes'
    assert write(root) == 0
    spoil_add(root)
    with pytest.raises(DatasetError, match="not in the manifest.*'images/val/000009.png'"):
        check_dataset(root, version=make_shapes.VERSION)
    assert write(root, '--overwrite') == 1
    assert "holds other things, first 'images/val/000009.png'" in capsys.readouterr().err
    assert (root / 'images/val/000009.png').exists()


def test_hidden_files_are_ones_own_too(tmp_path, capsys):
    root = tmp_path / 'shapes'
    assert write(root) == 0
    spoil_remove(root)
    (root / '.notes').write_text('mine')
    assert write(root, '--overwrite') == 1
    assert "holds other things, first '.notes'" in capsys.readouterr().err
    assert (root / '.notes').read_text() == 'mine'


def test_a_link_to_another_disk_stays(folder, tmp_path):
    disk, root = tmp_path / 'disk', tmp_path / 'shapes'
    disk.mkdir()
    root.symlink_to(disk)
    assert write(root) == 0
    spoil_remove(root)
    assert write(root, '--overwrite') == 0
    assert root.is_symlink() and contents(disk) == contents(folder)


@pytest.mark.parametrize('overwrite', [(), ('--overwrite',)])
def test_what_comes_while_it_is_written_stays(tmp_path, monkeypatch, capsys, overwrite):
    root = tmp_path / 'shapes'
    annotate = make_shapes.write_annotations

    def meanwhile(folder, split, records):
        annotate(folder, split, records)
        root.mkdir(exist_ok=True)
        (root / 'diary.txt').write_text('mine')

    monkeypatch.setattr(make_shapes, 'write_annotations', meanwhile)
    assert write(root, *overwrite) == 1
    said = 'nothing says what it holds' if overwrite else 'came while this was written'
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['shapes'] and (root / 'diary.txt').read_text() == 'mine'


def test_an_empty_folder_is_filled(folder, tmp_path):
    assert write(tmp_path) == 0
    assert contents(tmp_path) == contents(folder)


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(make_shapes, 'write_annotations', interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / 'shapes')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('arguments', [['--height', '20'], ['--train', '0'], ['--seed', '-1']])
def test_wrong_arguments(tmp_path, capsys, arguments):
    with pytest.raises(SystemExit):
        write(tmp_path / 'shapes', *arguments)
    assert arguments[0] in capsys.readouterr().err
