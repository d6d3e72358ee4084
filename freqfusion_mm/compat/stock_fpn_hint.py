"""A stock FPN that is given `upsample_cfg=dict(type=...)` says which neck takes it.

Lacking: mmdet's and mmseg's `FPN` (3.x, 1.x) hand `upsample_cfg` to `F.interpolate`, which fails at the first batch
    with "interpolate() got an unexpected keyword argument 'type'".
Changes: the constructor refuses a `type`, and names `FusionFPN`, or the twin of a subclass. Everything else is as it
    was.
Goes: when upstream checks the key.
"""

from functools import wraps
from importlib.util import find_spec

from .dropped_paths import TWINS


def apply() -> None:
    """Have the stock FPNs check `upsample_cfg`; idempotent."""
    necks = []
    if find_spec('mmdet'):
        from mmdet.models.necks import FPN

        necks.append(FPN)
    if find_spec('mmseg'):
        from mmseg.models.necks import FPN

        necks.append(FPN)
    for neck in necks:
        if not hasattr(neck.__init__, 'checks_upsample_cfg'):
            neck.__init__ = _checking(neck.__init__)


def _checking(init):
    @wraps(init)
    def __init__(self, *args, **kwargs) -> None:
        if 'type' in (kwargs.get('upsample_cfg') or {}):
            given, name = dict(kwargs['upsample_cfg']), type(self).__name__
            twin = TWINS['FusionFPN'].get(name, 'FusionFPN')
            raise TypeError(
                f"{name} hands upsample_cfg={given} to F.interpolate, which knows no 'type': write "
                f'neck=dict(type={twin!r}, upsample_cfg=...)'
            )
        init(self, *args, **kwargs)

    __init__.checks_upsample_cfg = True
    return __init__
