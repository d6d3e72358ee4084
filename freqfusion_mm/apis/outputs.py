"""Where results are written: a name for each image, label maps in files, and no picture of the user's overwritten."""

import codecs
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from PIL import Image, PngImagePlugin

from ..visualization.figure import EXIF_SOFTWARE, MARK, exif_mark
from .pixels import of_any_size

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
#: What both Pillow and matplotlib write.
PICTURES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.webp', '.pdf')


def find_images(arguments: Sequence[str | os.PathLike], suffixes: Sequence[str] = ()) -> list[Path]:
    """The files that the arguments name, folders with all below them, behind links too; pictures of ours are left out.

    Args:
        arguments: files and folders; a file that is the only argument is taken whoever wrote it.
        suffixes: what a name in a folder may end with besides those of pictures: those of the data set's images.

    Raises:
        FileNotFoundError: there is no such file, or no image in a folder.
    """
    files: list[Path] = []
    for argument in (Path(argument).expanduser() for argument in arguments):
        if argument.is_dir():
            endings = tuple(dict.fromkeys((*IMAGES, *(suffix.lower() for suffix in suffixes))))
            names = (file for file in _files_below(argument) if file.name.lower().endswith(endings))
            found = sorted(file for file in names if not is_ours(file))  # a broken link, too
            if not found:
                raise FileNotFoundError(f'the folder {argument} holds no images ({", ".join(endings)})')
            files += found
        elif not argument.is_file():
            raise FileNotFoundError(f'there is no image or folder {argument}')
        elif len(arguments) == 1 or not is_ours(argument):  # a pattern of the shell names our results, too
            files.append(argument)
    if not files:
        raise FileNotFoundError(f'{", ".join(map(str, arguments[:3]))}: these are results, there is no image')
    once: dict[str, Path] = {}
    for file in files:
        once.setdefault(os.path.abspath(file), file)
    return list(once.values())


def _files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder; each folder once, however many links lead to it."""
    entered = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        yield from (Path(root, file) for file in files)


def image_name(sample: Any) -> str:
    """The path of a sample's image; its number where the data set keeps the pixels itself, as mmpretrain's CIFAR does.

    Args:
        sample: a data sample, or what a data set's `get_data_info` gives.

    Raises:
        ValueError: it has neither.
    """
    path, number = sample.get('img_path'), sample.get('sample_idx')
    if path is None and number is None:
        raise ValueError(
            "a sample says neither its img_path nor its sample_idx: name one of them in the meta_keys of the config's "
            'last step'
        )
    return f'{number:06d}' if path is None else str(path)


def output_names(files: Iterable[str | os.PathLike]) -> dict[str, Path]:
    """Image -> the path, below the folder of results, that its results begin with.

    Convention:
        The folders below the deepest one that all images share are kept. The suffix goes, except where two names would
        be one.

    Example:
        >>> {name: str(path) for name, path in output_names(['d/x/a.png', 'd/y/a.png', 'd/y/a.jpg']).items()}
        {'d/x/a.png': 'x/a', 'd/y/a.png': 'y/a.png', 'd/y/a.jpg': 'y/a.jpg'}
    """
    paths = {str(file): Path(os.path.abspath(file)) for file in files}
    if not paths:
        return {}
    root = os.path.commonpath([path.parent for path in paths.values()])
    below = {file: path.relative_to(root) for file, path in paths.items()}
    whole: set[Path] = set()  # what keeps its suffix; that may take another one's name, which then keeps its own
    while True:
        names = {path: path if path in whole else path.with_suffix('') for path in below.values()}
        seen = Counter(names.values())
        repeated = {path for path, name in names.items() if seen[name] > 1} - whole
        if not repeated:
            return {file: names[path] for file, path in below.items()}
        whole |= repeated


def is_ours(file: Path) -> bool:
    """Whether a tool of ours wrote this picture."""
    kind = file.suffix.lower()
    if kind not in PICTURES:
        return False
    try:
        if kind == '.pdf':
            name = MARK[1].encode(), codecs.BOM_UTF16_BE + MARK[1].encode('utf-16-be')  # as matplotlib and Pillow write
            content = file.read_bytes()
            return any(b'/Creator (%b)' % each in content for each in name)
        with of_any_size(), Image.open(file) as image:
            return MARK[1] == (image.info.get(MARK[0]) if kind == '.png' else image.getexif().get(EXIF_SOFTWARE))
    except (OSError, SyntaxError, ValueError):
        return False


def refuse_to_overwrite(files: Iterable[Path]) -> None:
    """Raises FileExistsError where one of these pictures is there and is not ours."""
    foreign = [str(file) for file in files if file.exists() and not is_ours(file)]
    if foreign:
        raise FileExistsError(
            f'{", ".join(foreign[:3])}{", ..." if len(foreign) > 3 else ""} would be overwritten and was not written '
            'by this tool: give another place to write to'
        )


def check_out(out: str | os.PathLike, *inputs: str | os.PathLike | None) -> Path:
    """Where one file is to be written: its folder is made, what the command reads stays, and a picture of the user's.

    Raises:
        FileExistsError: it is one of the inputs, or a picture that is not ours.
        IsADirectoryError: it is a folder.
        PermissionError: its folder cannot be written to.
    """
    path = Path(out).expanduser()
    if path.is_dir():
        raise IsADirectoryError(f'{out} is a folder, and a file is to be written: give its name')
    path.parent.mkdir(parents=True, exist_ok=True)
    _check_writable(path.parent)
    for each in inputs:
        if each is not None and path.exists() and os.path.exists(each) and path.samefile(each):
            raise FileExistsError(f'{out} is what the command reads, and would be overwritten: give another file')
    if path.suffix.lower() in PICTURES:
        refuse_to_overwrite([path])
    return path


def check_out_folder(out: str | os.PathLike, files: Iterable[str | os.PathLike] = ()) -> Path:
    """Where several files are to be written: it can be a folder, and pictures of the user's stay. It is not made yet.

    Args:
        out: the folder.
        files: what will be written there, as paths below it.

    Raises:
        FileExistsError: it, or what it would lie in, is a file; a picture in it is not ours.
        PermissionError: it cannot be written to.
    """
    folder = Path(out).expanduser()
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise FileExistsError(f'{there} is a file, and a folder is to be written: give another name')
    _check_writable(there)
    refuse_to_overwrite(folder / file for file in files)
    return folder


def _check_writable(folder: Path) -> None:
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise PermissionError(
            f'the folder {folder} cannot be written to ({error.strerror}): give another one'
        ) from None


def check_picture_out(out: str | os.PathLike, *inputs: str | os.PathLike | None) -> Path:
    """`check_out` of a picture, whose name says its format.

    Raises:
        FileExistsError: see `check_out`.
        ValueError: it does not.
    """
    if Path(out).suffix.lower() not in PICTURES:
        raise ValueError(f'a picture wants a name with one of {", ".join(PICTURES)}, got {out}')
    return check_out(out, *inputs)


def save_picture(picture: np.ndarray, file: Path) -> None:
    """Writes bytes [H, W] or [H, W, 3] or 16-bit numbers [H, W] by the suffix of the file, marked as ours."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = file.suffix.lower()
    if kind == '.png':
        header = PngImagePlugin.PngInfo()
        header.add_text(*MARK)
        marked = dict(pnginfo=header)
    else:
        marked = dict(producer=MARK[1], creator=MARK[1]) if kind == '.pdf' else dict(exif=exif_mark())
    Image.fromarray(picture).save(file, **marked)


class MapWriter:
    """Turns predicted maps into the numbers of the data set's own label files.

    Convention:
        Class numbers are those of the label files: one more than the class's place where `reduce_zero_label`, as mmseg
        writes them. 8 bits, or 16 where a model has more classes than 8 bits hold; depths are divided by the rescaling
        of the data set's label files, in 16 bits.

    Args:
        outputs: class numbers that the model may answer; None for depth.
        reduce_zero_label: of the data set.
        depth_unit: depth of the number 1 in a label file.

    Raises:
        ValueError: more classes than 16 bits hold.
    """

    def __init__(self, outputs: int | None, reduce_zero_label: bool = False, depth_unit: float = 1e-3) -> None:
        self.shift = int(reduce_zero_label)
        self.depth_unit = depth_unit
        highest = (outputs or 1) - 1 + self.shift
        if highest > 65535:
            raise ValueError(f'label maps are written for up to 65536 classes, the model has {outputs}')
        self.dtype = np.uint8 if highest <= 255 else np.uint16

    def labels(self, sem_seg: Any) -> np.ndarray:
        """[1, H, W] class numbers (a tensor) -> [H, W] numbers of a label file."""
        return (sem_seg[0].cpu().numpy().astype(np.int64) + self.shift).astype(self.dtype)

    def depths(self, depth: Any) -> np.ndarray:
        """[1, H, W] depths (a tensor) -> [H, W] numbers of a label file."""
        return np.clip(np.round(depth[0].cpu().numpy() / self.depth_unit), 0, 65535).astype(np.uint16)


class KeepMaps(BaseMetric):
    """Writes every predicted map of a test to a file; it measures nothing.

    Args:
        folder: to write into.
        names: of `output_names`, for the paths of the data set.
        writer: how numbers are written.
    """

    def __init__(self, folder: str, names: dict[str, Path], writer: MapWriter) -> None:
        super().__init__(prefix='maps')
        self.folder = Path(folder)
        self.names = names
        self.writer = writer

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            if 'pred_sem_seg' in sample:
                numbers = self.writer.labels(sample['pred_sem_seg']['data'])
            else:
                numbers = self.writer.depths(sample['pred_depth_map']['data'])
            name = self.names[image_name(sample)]
            save_picture(numbers, self.folder / f'{name}.png')
            self.results.append(1)

    def compute_metrics(self, results: list) -> dict:
        return {}
