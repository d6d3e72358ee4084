"""Every module with a stock original in mmdet or mmseg, in a size for tests: the stock class, and what it takes."""

from . import mmdet_twins, mmseg_twins

TWINS = {**mmseg_twins.TWINS, **mmdet_twins.TWINS}
