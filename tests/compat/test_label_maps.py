"""Label maps are read as they are: every number, every size; what is no map is refused by name."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmseg')

from mmseg.datasets.transforms import LoadAnnotations  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401

NUMBERS = np.random.default_rng(0)


def read(path, reduce_zero_label=False, label_map=None, **options):
    results = dict(seg_map_path=str(path), reduce_zero_label=reduce_zero_label, label_map=label_map, seg_fields=[])
    return LoadAnnotations(**options)(results)['gt_seg_map']


@pytest.mark.parametrize('backend', ['pillow', 'cv2'])
def test_numbers_above_255(tmp_path, backend):
    labels = NUMBERS.integers(0, 300, (9, 7)).astype(np.uint16)
    labels[0, 0] = 299
    Image.fromarray(labels).save(tmp_path / 'a.png')
    found = read(tmp_path / 'a.png', imdecode_backend=backend)
    np.testing.assert_array_equal(found, labels)
    found = read(tmp_path / 'a.png', label_map={299: 3, 3: 299}, imdecode_backend=backend)
    np.testing.assert_array_equal(found == 3, labels == 299)
    np.testing.assert_array_equal(found == 299, labels == 3)


def test_a_map_of_small_numbers_may_become_one_of_large_ones(tmp_path):
    Image.fromarray(np.array([[3, 0, 7]], np.uint8)).save(tmp_path / 'a.png')
    assert read(tmp_path / 'a.png', label_map={299: 3, 3: 299}).tolist() == [[299, 0, 7]]


def test_minus_one_is_255_beside_255(tmp_path):
    Image.fromarray(np.array([[-1, 255, 3]], np.int32)).save(tmp_path / 'a.tif')
    assert read(tmp_path / 'a.tif').tolist() == [[255, 255, 3]]


def test_sixteen_bits_with_small_numbers_are_as_eight_bits(tmp_path):
    labels = NUMBERS.integers(0, 256, (9, 7)).astype(np.uint8)
    labels[0, :4] = 0, 1, 254, 255
    for name, pixels in (('a.png', labels), ('b.png', labels.astype(np.uint16)), ('c.tif', labels.astype(np.float32))):
        Image.fromarray(pixels).save(tmp_path / name)
        for reduced in (False, True):
            found = read(tmp_path / name, reduced)
            assert found.dtype == np.uint8
            wanted = [[(255 if v in (0, 255) else v - 1) if reduced else v for v in row] for row in labels.tolist()]
            assert found.tolist() == wanted


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (9, 1)])
def test_thin_maps_keep_both_axes(tmp_path, size):
    Image.fromarray(np.ones(size, np.uint8)).save(tmp_path / 'a.png')
    assert read(tmp_path / 'a.png').shape == size


def test_palettes_and_bits(tmp_path):
    labels = NUMBERS.integers(0, 2, (9, 7)).astype(np.uint8)
    indexed = Image.fromarray(labels, 'P')
    indexed.putpalette([200, 0, 0, 0, 0, 200])
    indexed.save(tmp_path / 'palette.png')
    Image.fromarray(labels.astype(bool)).save(tmp_path / 'bits.png')
    for name in ('palette.png', 'bits.png'):
        np.testing.assert_array_equal(read(tmp_path / name), labels)


@pytest.mark.parametrize(
    'pixels, said',
    [
        (np.zeros((4, 5, 3), np.uint8), 'a.tif holds 3 channels'),
        (np.zeros((4, 5, 4), np.uint8), 'a.tif holds 4 channels'),
        (np.full((4, 5), 1.5, np.float32), 'a.tif holds numbers from 1.5 to 1.5'),
        (np.full((4, 5), np.nan, np.float32), 'a.tif holds numbers from nan'),
        (np.full((4, 5), -2, np.int32), 'a.tif holds numbers from -2'),
    ],
)
def test_what_is_no_map_is_refused(tmp_path, pixels, said):
    Image.fromarray(pixels).save(tmp_path / 'a.tif')
    with pytest.raises(ValueError, match=said):
        read(tmp_path / 'a.tif')


def test_an_ignored_zero_needs_a_free_255(tmp_path):
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / 'a.png')
    with pytest.raises(ValueError, match='reduce_zero_label would turn 0 into 255'):
        read(tmp_path / 'a.png', reduce_zero_label=True)


def test_real_annotations(shared):
    """LoveDA's, as mmseg's own reading has them: 0 is ignored, 1..7 become 0..6."""
    for file in sorted(shared('data/loveda').glob('ann_*.png')):
        labels = np.asarray(Image.open(file))
        found = read(file, reduce_zero_label=True)
        np.testing.assert_array_equal(found, np.where(labels == 0, 255, labels - 1))
        np.testing.assert_array_equal(read(file), labels)


def test_minus_one_is_ignored(tmp_path):
    """As mmseg's lowest eight bits make of it."""
    labels = np.array([[-1, 0, 2], [2, -1, 1]])
    for dtype in (np.int32, np.float32):
        Image.fromarray(labels.astype(dtype)).save(tmp_path / 'a.tif')
        np.testing.assert_array_equal(read(tmp_path / 'a.tif'), [[255, 0, 2], [2, 255, 1]])
        np.testing.assert_array_equal(read(tmp_path / 'a.tif', True), [[255, 255, 1], [1, 255, 0]])
    labels[0, 1] = 299
    Image.fromarray(labels.astype(np.int32)).save(tmp_path / 'a.tif')
    with pytest.raises(ValueError, match='holds -1, which stands for 255, and numbers up to 299, where 255 is a class'):
        read(tmp_path / 'a.tif')
    labels[0, 1] = -2
    Image.fromarray(labels.astype(np.int32)).save(tmp_path / 'a.tif')
    with pytest.raises(ValueError, match='holds numbers from -2 to 2'):
        read(tmp_path / 'a.tif')
