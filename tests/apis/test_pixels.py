"""One reading of an image: the picture that a tool shows is what the pipeline read."""

import numpy as np
import pytest
from PIL import Image

cv2 = pytest.importorskip('cv2')
pytest.importorskip('mmcv', reason='pipelines are of mmcv')

from mmcv.transforms import Compose, LoadImageFromFile, RandomFlip  # noqa: E402

from freqfusion_mm.apis.errors import UnreadableImage  # noqa: E402
from freqfusion_mm.apis.pixels import ImagePipeline, check_image, displayed  # noqa: E402

NUMBERS = np.random.default_rng(0)


def shown(path, **options):
    pipeline = ImagePipeline([LoadImageFromFile(**options)])
    gathered, rest = pipeline.read(path)
    assert rest == []
    return displayed(gathered['img'])


def test_colours_and_grey_are_shown_as_they_are(tmp_path):
    colours = NUMBERS.integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(shown(tmp_path / 'a.png'), colours)
    np.testing.assert_array_equal(shown(tmp_path / 'a.png', to_float32=True), colours)
    np.testing.assert_array_equal(shown(tmp_path / 'a.png', imdecode_backend='pillow'), colours)
    Image.fromarray(colours[..., 0]).save(tmp_path / 'g.png')
    for color_type in ('color', 'grayscale', 'unchanged'):
        grey = shown(tmp_path / 'g.png', color_type=color_type)
        np.testing.assert_array_equal(grey, colours[..., :1].repeat(3, axis=2))


def test_an_alpha_channel_is_left_out(tmp_path):
    pixels = NUMBERS.integers(0, 256, (9, 7, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(shown(tmp_path / 'a.png', color_type='unchanged'), pixels[..., :3])


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    pixels = NUMBERS.integers(0, 65536, (9, 7), np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), pixels)
    unchanged = shown(tmp_path / 'a.png', color_type='unchanged')
    np.testing.assert_array_equal(unchanged[..., 0], np.round(pixels / 257).astype(np.uint8))
    as_colours = shown(tmp_path / 'a.png')  # OpenCV's own scaling
    assert np.abs(as_colours.astype(int) - unchanged).max() <= 1


def test_a_turned_photograph_is_shown_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / 'a.jpg', exif=exif)
    assert shown(tmp_path / 'a.jpg').shape == (40, 20, 3)
    assert shown(tmp_path / 'a.jpg', color_type='unchanged').shape == (20, 40, 3)  # as the network then sees it


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_photograph_in_every_orientation(orientation, shared, tmp_path):
    """As Pillow turns it; the decoders of a JPEG differ by a little."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(next(shared('data/coco_subset/images').rglob('*.jpg'))) as photo:
        photo.convert('RGB').reduce(3).save(tmp_path / 'a.jpg', exif=exif, quality=95)
    with Image.open(tmp_path / 'a.jpg') as saved:
        upright = np.asarray(ImageOps.exif_transpose(saved))
    found = shown(tmp_path / 'a.jpg')
    assert found.shape == upright.shape and np.abs(found.astype(int) - upright).mean() < 2


def test_palettes_and_inks(tmp_path):
    """A palette is shown in its colours; of inks (CMYK) comes a picture of three channels."""
    colours = NUMBERS.integers(0, 256, (9, 7, 3), np.uint8)
    indexed = Image.fromarray(colours).quantize(63)
    indexed.save(tmp_path / 'palette.png')
    np.testing.assert_array_equal(shown(tmp_path / 'palette.png'), np.asarray(indexed.convert('RGB')))
    inks = Image.fromarray(np.full((16, 16, 4), (0, 255, 255, 0), np.uint8), 'CMYK')
    inks.save(tmp_path / 'inks.jpg')
    found = shown(tmp_path / 'inks.jpg')
    assert found.shape == (16, 16, 3) and found[..., 0].min() > 150 and found[..., 1:].max() < 100  # red


def test_pixels_that_a_data_set_keeps_itself():
    image = NUMBERS.integers(0, 256, (9, 7, 3), np.uint8)
    gathered, rest = ImagePipeline([step := lambda results: results]).read_info(dict(img=image))
    assert gathered['img'] is image and rest == [step]


def test_pixels_that_are_handed_in_take_the_place_of_reading_alone():
    image = NUMBERS.integers(0, 256, (9, 7, 3), np.uint8)
    reads, flips = LoadImageFromFile(), RandomFlip(prob=0.0)
    for steps, left in (
        ([reads, flips], [flips]),
        ([flips], [flips]),
        ([own := lambda results: results, flips], [flips]),
    ):
        gathered, rest = ImagePipeline(steps).read(image)
        assert gathered['img'] is image and rest == left, own


def test_a_data_set_that_keeps_rgb_gets_rgb():
    """Of pixels that are handed in as BGR; the picture is theirs either way."""
    image = NUMBERS.integers(0, 256, (9, 7, 3), np.uint8)
    for kept_rgb, wanted in ((True, image[..., ::-1]), (False, image)):
        gathered, picture = ImagePipeline([RandomFlip(prob=0.0)], kept_rgb=kept_rgb)(image)
        np.testing.assert_array_equal(gathered['img'], wanted)
        np.testing.assert_array_equal(picture, image[..., ::-1])
    gathered, _ = ImagePipeline([LoadImageFromFile(), RandomFlip(prob=0.0)], kept_rgb=True)(image)
    np.testing.assert_array_equal(gathered['img'], image)  # as a file would have been read


def test_many_channels_and_any_numbers():
    image = np.zeros((2, 2, 7), np.float32)
    image[..., 0], image[0, 0, 1] = 0.5, -1.5
    picture = displayed(image)
    assert picture.shape == (2, 2, 3) and picture[0, 0].tolist() == [204, 0, 153]  # -1.5 .. 1 over 0 .. 255
    assert displayed(np.full((2, 2, 2), 9, np.uint8)).tolist() == [[[9] * 3] * 2] * 2
    assert displayed(np.full((1, 1), np.nan, np.float32)).tolist() == [[[0] * 3]]


def test_a_mask_is_black_and_white():
    assert displayed(np.array([[True, False]])).tolist() == [[[255] * 3, [0] * 3]]


def test_steps_for_labels_are_left_out_and_the_rest_runs(tmp_path):
    pytest.importorskip('mmseg')
    from mmengine.registry import DefaultScope

    Image.fromarray(NUMBERS.integers(0, 256, (9, 7, 3), np.uint8)).save(tmp_path / 'a.png')
    with DefaultScope.overwrite_default_scope('mmseg'):
        steps = [dict(type=name) for name in ('LoadImageFromFile', 'mmseg.LoadAnnotations', 'PackSegInputs')]
        steps.insert(1, dict(type='Resize', scale=(14, 18)))
        pipeline = ImagePipeline(Compose(steps).transforms)
    packed, pixels = pipeline(tmp_path / 'a.png')
    assert pixels.shape == (9, 7, 3) and packed['inputs'].shape == (3, 18, 14)
    assert packed['data_samples'].ori_shape == (9, 7)
    again, _ = pipeline(cv2.imread(str(tmp_path / 'a.png')))
    assert (again['inputs'] == packed['inputs']).all() and again['data_samples'].ori_shape == (9, 7)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp'])
def test_truncated_files_are_named(tmp_path, suffix):
    whole = tmp_path / f'whole{suffix}'
    Image.fromarray(NUMBERS.integers(0, 256, (64, 64, 3), np.uint8)).save(whole)
    check_image(str(whole))
    data = whole.read_bytes()
    for share in (0, 0.3, 0.6, 0.98):
        bad = tmp_path / f'bad{suffix}'
        bad.write_bytes(data[: int(share * len(data))])
        with pytest.raises(UnreadableImage, match=f'bad{suffix} cannot be read'):
            ImagePipeline([LoadImageFromFile()]).read(bad)


def test_a_truncated_photograph(shared, tmp_path):
    photo = next(shared('data/coco_subset/images').rglob('*.jpg'))
    check_image(str(photo))
    (tmp_path / 'photo.jpg').write_bytes(photo.read_bytes()[:-2000])
    assert cv2.imread(str(tmp_path / 'photo.jpg')) is not None  # OpenCV says nothing
    with pytest.raises(UnreadableImage, match='photo.jpg'):
        check_image(str(tmp_path / 'photo.jpg'))


def test_what_is_no_image(tmp_path):
    (tmp_path / 'a.jpg').write_text('not an image')
    for path in ('a.jpg', 'gone.jpg'):
        with pytest.raises(UnreadableImage, match=path):
            ImagePipeline([LoadImageFromFile()]).read(tmp_path / path)
    (tmp_path / 'a.raw').write_text('its reader judges')
    check_image(str(tmp_path / 'a.raw'))
    check_image('s3://bucket/a.jpg')


def test_a_bug_in_a_later_step_is_no_unreadable_image(tmp_path):
    def bug(results):
        raise ValueError('a bug')

    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / 'a.png')
    with pytest.raises(ValueError, match='^a bug') as caught:
        ImagePipeline([LoadImageFromFile(), bug])(tmp_path / 'a.png')
    assert not isinstance(caught.value, UnreadableImage)
