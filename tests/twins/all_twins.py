"""Those of both frameworks."""

from . import mmdet_twins, mmseg_twins

#: our name -> its stock module.
TWINS = {**mmseg_twins.TWINS, **mmdet_twins.TWINS}
