"""LoveDA's layout from a few tiles, and the batches that mmseg makes of it."""

import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip('cv2', reason='pictures are read with OpenCV')

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects' / 'loveda'))

import lay_out_tiles  # noqa: E402


@pytest.fixture
def tiles(tmp_path):
    folder, rng = tmp_path / 'tiles', np.random.default_rng(0)
    folder.mkdir()
    for name in 'abc':
        image = rng.integers(0, 256, (40, 61, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'img_{name}.png'), image)
        cv2.imwrite(str(folder / f'ann_{name}.png'), image[..., 0] % 8)
    return folder


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_halves(tiles, tmp_path, capsys):
    out = tmp_path / 'data' / 'loveDA'
    assert lay_out_tiles.main([str(tiles), str(out)]) == 0
    assert '3 pictures to train and 3 to val' in capsys.readouterr().out
    for kind, prefix in (('img_dir', 'img_'), ('ann_dir', 'ann_')):
        for name in 'abc':
            halves = [read(out / kind / split / f'{name}.png') for split in ('train', 'val')]
            np.testing.assert_array_equal(np.concatenate(halves, axis=1), read(tiles / f'{prefix}{name}.png'))
    assert sorted(path.name for path in out.parent.iterdir()) == ['loveDA']


def test_tiles(tiles, tmp_path):
    out = tmp_path / 'loveDA'
    assert lay_out_tiles.main([str(tiles), str(out), '--split', 'tiles']) == 0
    names = {split: sorted(path.stem for path in (out / 'img_dir' / split).iterdir()) for split in ('train', 'val')}
    assert names == dict(train=['a', 'b'], val=['c'])


def spoil_label(tiles):
    cv2.imwrite(str(tiles / 'ann_b.png'), np.full((40, 61), 255, np.uint8))


def spoil_size(tiles):
    cv2.imwrite(str(tiles / 'ann_b.png'), np.zeros((40, 40), np.uint8))


def spoil_image(tiles):
    (tiles / 'img_b.png').write_bytes(b'half')


@pytest.mark.parametrize(
    'spoil, named',
    [
        (spoil_label, "ann_b.png' wants uint8 [40, 61] with values 0 to 7, got uint8 [40, 61] with values up to 255"),
        (spoil_size, "ann_b.png' wants uint8 [40, 61]"),
        (spoil_image, "img_b.png' is missing or is not a picture"),
        (lambda tiles: (tiles / 'ann_c.png').unlink(), "ann_c.png' is missing or is not a picture"),
        (lambda tiles: [path.unlink() for path in tiles.iterdir()], "holds no 'img_*.png'"),
    ],
)
def test_broken_tiles_are_named_and_nothing_is_written(tiles, tmp_path, capsys, spoil, named):
    spoil(tiles)
    assert lay_out_tiles.main([str(tiles), str(tmp_path / 'out')]) == 1
    assert named in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_nothing_is_replaced(tiles, tmp_path, capsys):
    assert lay_out_tiles.main([str(tiles), str(tmp_path)]) == 1
    assert 'exists; remove it' in capsys.readouterr().err


@pytest.mark.slow
def test_real_tiles_through_mmseg(shared, tmp_path, monkeypatch):
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    from mmengine.config import Config
    from mmengine.registry import HOOKS, DefaultScope
    from mmengine.runner import Runner

    import freqfusion_mm.registration  # noqa: F401

    root = tmp_path / 'loveDA'
    assert lay_out_tiles.main([str(shared('data/loveda')), str(root)]) == 0
    monkeypatch.setenv('LOVEDA_ROOT', str(root))
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / 'loveda_512x512.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        HOOKS.build(cfg.custom_hooks[0])
        for split, count in (('train_dataloader', 3), ('val_dataloader', 3)):
            loader = dict(cfg[split], num_workers=0, persistent_workers=False)
            loader = Runner.build_dataloader(loader, seed=0)
            assert len(loader.dataset) == count
            batch = next(iter(loader))
            label = batch['data_samples'][0].gt_sem_seg.data
            assert set(label.unique().tolist()) <= {*range(7), 255}  # 0 was to ignore
            assert batch['inputs'][0].shape[1:] == label.shape[-2:]
            if split == 'train_dataloader':
                assert max(label.shape) <= 512  # less where the crop is larger than the picture
            else:
                assert label.shape[-2:] == (1024, 512)
