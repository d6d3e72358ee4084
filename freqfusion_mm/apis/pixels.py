"""One reading of an image: every tool shows the pixels that the test pipeline read."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from .errors import UnreadableImage

Step = Callable[[dict], dict]
#: Ours that read or change labels; the frameworks' own have 'Annotation' in their names.
LABEL_STEPS = ('LabelIgnored', 'LoadPanopticSegments')
#: What a data set says of a sample's files.
FILES = ('img_path', 'img_path2', 'seg_map_path', 'depth_map_path')
CHECKED_FORMATS = ('JPEG', 'PNG', 'BMP', 'WEBP', 'GIF', 'MPO')  # Pillow decodes them as every other reader does
CHECKED_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.gif')
#: What a broken file may raise inside a step that reads it, beside cv2.error.
READING_ERRORS = (
    OSError,
    AssertionError,
    ValueError,
    SyntaxError,
    AttributeError,
    TypeError,
    EOFError,
    Image.DecompressionBombError,
)


class ImagePipeline:
    """The steps of a test pipeline without those that read labels: from an image to what a model's `test_step` takes.

    Args:
        steps: built transforms, in order.
        channels: numbers of channels that the model takes (`channels_taken`); None: any.
        kept_rgb: what a data set keeps itself, for steps of which none reads a file, is RGB.

    Raises:
        ValueError: no step.
    """

    def __init__(self, steps: Sequence[Step], channels: Collection[int] | None = None, kept_rgb: bool = False) -> None:
        self.steps = [step for step in steps if not needs_labels(step)]
        self.channels = channels
        self.kept_rgb = kept_rgb
        if not self.steps:
            raise ValueError('the test pipeline has no step that reads an image')

    def read(self, image: str | os.PathLike | np.ndarray) -> tuple[dict, list[Step]]:
        """Runs the steps up to the one that gives the pixels.

        Args:
            image: a file, or pixels [H, W] or [H, W, C] as mmcv reads them (BGR where there are three channels).

        Returns:
            What the steps have gathered, with the pixels under 'img', and the steps that are left.

        Raises:
            UnreadableImage: names the file and what is wrong with it.
        """
        if isinstance(image, np.ndarray):
            first = next((i for i, step in enumerate(self.steps, start=1) if _is_loader(step)), 0)
            if not first and not _of_framework(self.steps[0]):
                first = 1  # one of the user's own, which reads
            shape = image.shape[:2]
            gathered = dict(img=image, img_path=None, img_id=0, img_shape=shape, ori_shape=shape)
            rest = [_as_kept] if self.kept_rgb and not first else []
            return gathered | dict(reduce_zero_label=False, seg_fields=[]), rest + self.steps[first:]
        info = dict(img_path=str(image), img_id=Path(image).stem, reduce_zero_label=False, seg_fields=[])
        return self.read_info(info)

    def read_info(self, info: dict) -> tuple[dict, list[Step]]:
        """As `read`, for what a data set says of an image: a dict with `img_path`."""
        path = info.get('img_path')
        if 'img' in info:  # a data set that keeps its pixels itself
            return info, self.steps
        check_files(info)
        gathered = info
        for number, step in enumerate(self.steps, start=1):
            gathered = read_by(step, gathered, path)
            if 'img' in gathered:
                return gathered, self.steps[number:]
        raise ValueError(
            f'no step of the test pipeline reads an image: {", ".join(type(s).__name__ for s in self.steps)}'
        )

    def __call__(self, image: str | os.PathLike | np.ndarray) -> tuple[dict, np.ndarray]:
        """What the model takes (one sample, not collated), and the pixels that were read, RGB.

        Raises:
            UnreadableImage: names the file; OpenCV refuses what a step makes of it, too, such as a side of no pixel.
        """
        named = image if isinstance(image, (str, os.PathLike)) else 'the image'
        gathered, rest = self.read(image)
        pixels = displayed(gathered['img'])
        for step in rest:
            with blamed_on(named, f'used: {type(step).__name__}'):
                gathered = step(gathered)
        check_channels(gathered, named, self.channels)
        return gathered, pixels


@contextmanager
def blamed_on(path: Any, what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Inside it, what OpenCV refuses is the fault of a file, and so are errors of these kinds.

    Raises:
        UnreadableImage: the path cannot be read, used, predicted, ... (`what`), and why.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, kinds) or type(error).__module__.startswith('cv2'):
            raise UnreadableImage(f'{path} cannot be {what}: {_flat(error)}') from error
        raise


def read_by(step: Step, gathered: dict, path: Any) -> dict:
    """What a step that reads a file makes of it.

    Raises:
        UnreadableImage: the step fails as it does for a file that it cannot read.
    """
    with blamed_on(path, 'read', *READING_ERRORS):
        result = step(gathered)
    if result is None:
        raise UnreadableImage(f'{path} cannot be read: {type(step).__name__} gives nothing')
    return result


def check_files(info: dict) -> None:
    """Checks the image and the maps of a sample where they are files; a missing one is for the step that wants it.

    Raises:
        UnreadableImage: one is truncated or no image; the label of a panoptic sample, which metrics read, is missing.
    """
    for key in FILES:
        path = info.get(key)
        if isinstance(path, str) and os.path.isfile(path):
            check_image(path)
        elif key == 'seg_map_path' and info.get('segments_info') and isinstance(path, str) and '://' not in path:
            raise UnreadableImage(f'{path} cannot be read: there is no such file')


def check_channels(sample: Any, path: Any, channels: Collection[int] | None) -> None:
    """Refuses an image with other channels than a model takes.

    Raises:
        UnreadableImage: names the file and both numbers.
    """
    inputs = sample.get('inputs') if isinstance(sample, dict) else None
    inputs = inputs[0] if isinstance(inputs, list) and inputs else inputs  # augmented views
    if channels and getattr(inputs, 'ndim', 0) == 3 and inputs.shape[0] not in channels:
        raise UnreadableImage(
            f'{path} cannot be used: it has {inputs.shape[0]} channels as the pipeline reads it, the model takes '
            f'{" or ".join(map(str, sorted(channels)))}'
        )


def steps_of(dataset: Any) -> list[Step]:
    """The built steps of a data set's pipeline."""
    pipeline = getattr(dataset, 'pipeline', None)
    return list(getattr(pipeline, 'transforms', pipeline or []))


def needs_labels(step: Step) -> bool:
    """Whether a step needs what only an annotated data set gives."""
    return 'Annotation' in type(step).__name__ or type(step).__name__ in LABEL_STEPS


def reads_labels(step: Step) -> bool:
    """Whether it makes that of files: mmdet's `FilterAnnotations` gives nothing of a healthy sample."""
    return needs_labels(step) and not type(step).__name__.startswith('Filter')


def check_image(path: str) -> None:
    """Refuses a file that ends too early: OpenCV fills the rest of it with grey and says nothing.

    The end of a JPEG or PNG says at no cost that it is whole; any other file is decoded by Pillow, where it knows it.

    Raises:
        UnreadableImage: it is missing, empty or truncated, or no image although its name says so.
    """
    if '://' in path:
        return
    try:
        with open(path, 'rb') as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64))
            tail = file.read().rstrip(b'\0\r\n')
        if tail.endswith(b'\xff\xd9') or b'IEND' in tail[-16:]:
            return
        with of_any_size(), Image.open(path) as image:
            if image.format in CHECKED_FORMATS:
                image.load()
            if image.format == 'JPEG' and not tail:  # nothing but zeros at the end: its place was taken, not filled
                check_jpeg_end(path)
    except UnidentifiedImageError:
        if os.path.splitext(path)[1].lower() in CHECKED_SUFFIXES or not (tail or _has_content(path)):
            raise UnreadableImage(f'{path} cannot be read: it is no image') from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnreadableImage(f'{path} cannot be read: {_flat(error)}') from error


@contextmanager
def of_any_size() -> Iterator[None]:
    """Inside it, Pillow opens images of any size: tiles from the air have more pixels than it takes by itself."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _has_content(path: str) -> bool:
    """Is there anything but zeros in it? An array may end with them; a place that was never filled has no more."""
    with open(path, 'rb') as file:
        return any(block.strip(b'\0') for block in iter(lambda: file.read(2**20), b''))


def check_jpeg_end(path: str) -> None:
    """Refuses a JPEG whose end is missing and zeros in its place: every decoder takes them for grey."""
    with open(path, 'rb') as file:
        content = file.read().rstrip(b'\0')
    if not content.endswith(b'\xff\xd9'):
        raise UnreadableImage(f'{path} cannot be read: its end is missing, there are zeros in its place')


def displayed(image: np.ndarray) -> np.ndarray:
    """Pixels as a pipeline reads them, [H, W] or [H, W, C], as a picture [H, W, 3] of RGB bytes.

    Convention:
        Three channels are BGR, as mmcv reads them, and four are BGR and alpha, which is left out; of one or two
        channels the first is shown as grey, of five or more the first three. Bytes, and floats that are whole bytes,
        stay; 16-bit numbers are divided by 257; false is black, true white; other numbers are stretched from their
        least, or 0, to their greatest, or 1.

    Example:
        >>> displayed(np.array([[[1, 2, 3]]], np.uint8)).tolist(), displayed(np.array([[0, 65535]], np.uint16)).tolist()
        ([[[3, 2, 1]]], [[[0, 0, 0], [255, 255, 255]]])
    """
    image = image[..., None] if image.ndim == 2 else image
    channels = image.shape[2]
    image = image[..., [0, 0, 0] if channels < 3 else [2, 1, 0] if channels < 5 else [0, 1, 2]]
    if image.dtype == bool:
        image = image * np.uint8(255)
    elif image.dtype == np.uint16:
        image = image / 257
    elif image.dtype != np.uint8:
        image = image.astype(np.float64)
        low, high = np.nanmin(image, initial=0), np.nanmax(image, initial=1)
        if low < 0 or high > 255 or (image != np.round(image)).any():
            image = 255 * (np.nan_to_num(image, nan=low) - low) / (high - low)
    return np.ascontiguousarray(np.clip(np.round(image), 0, 255).astype(np.uint8))


def swapped(image: np.ndarray) -> np.ndarray:
    """RGB [H, W, 3] for BGR, and the other way round; any other number of channels stays."""
    return np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 and image.shape[2] == 3 else image


def _is_loader(step: Step) -> bool:
    return type(step).__name__.startswith('Load') and 'Image' in type(step).__name__


def _as_kept(gathered: dict) -> dict:
    return gathered | dict(img=swapped(gathered['img']))


def _of_framework(step: Step) -> bool:
    return type(step).__module__.partition('.')[0] in ('mmcv', 'mmengine', 'mmseg', 'mmdet', 'mmpretrain')


def _flat(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__
