"""matplotlib without a screen."""

from pathlib import Path
from types import ModuleType
from typing import Any

#: What a PNG of ours has in its header, so that tools know it again and never take it for an image.
MARK = ('Software', 'freqfusion-mm')


def pyplot() -> ModuleType:
    """`matplotlib.pyplot`, imported when a figure is drawn, on a backend that writes files."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: Any, out: str | Path, dpi: int) -> None:
    """Writes a figure in the format of the file's name, marked as ours where that is PNG; its folder is made."""
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    marked = dict(metadata=dict([MARK])) if Path(out).suffix.lower() == '.png' else {}
    figure.savefig(out, dpi=dpi, **marked)
