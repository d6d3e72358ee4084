"""Writing the pictures that matplotlib draws, by its `Figure`: pyplot would choose a backend for a whole notebook."""

from pathlib import Path
from typing import Any

#: What a picture of ours says in its header, so that tools know it again and never take it for an image: a PNG in a
#: text of this name, a PDF as its creator, any other kind in this tag of its Exif data.
MARK = ('Software', 'freqfusion-mm')
EXIF_SOFTWARE = 0x0131


def save_figure(figure: Any, out: str | Path, dpi: int) -> None:
    """Writes a figure in the format of the file's name, marked as ours; its folder is made.

    Raises:
        ValueError: a format that matplotlib does not write.
    """
    kind = Path(out).suffix.lower()
    if kind == '.png':
        marked = dict(metadata=dict([MARK]))
    elif kind in ('.pdf', '.svg', '.eps'):
        marked = dict(metadata=dict(Creator=MARK[1]))
    elif kind in ('.jpg', '.jpeg', '.tif', '.tiff', '.webp'):
        marked = dict(pil_kwargs=dict(exif=exif_mark()))
    else:
        raise ValueError(f'a figure wants a name that ends in .png, .jpg, .tif, .webp, .pdf, .svg or .eps, got {out}')
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=dpi, **marked)


def exif_mark() -> bytes:
    """The mark of a JPEG, TIFF or WebP, as Pillow's `save` takes it."""
    from PIL import Image

    exif = Image.Exif()
    exif[EXIF_SOFTWARE] = MARK[1]
    return exif.tobytes()
