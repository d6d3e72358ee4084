"""`_base_ = ['mmseg::...']` on the onedl stack.

Lacking: mmengine's table calls mmseg's distribution mmsegmentation, also where onedl-mmsegmentation is the one that is
    installed (onedl-mmengine 0.10.12).
Changes: that one entry of the table, and only where mmsegmentation is not installed and onedl-mmsegmentation is.
Goes: when onedl-mmengine names its own distribution.
"""

from importlib.metadata import PackageNotFoundError, distribution


def is_needed() -> bool:
    """Whether `mmseg::` fails on this installation without the patch."""
    return not _installed('mmsegmentation') and _installed('onedl-mmsegmentation')


def apply() -> None:
    """Names the distribution that is there."""
    from mmengine.config.utils import MODULE2PACKAGE

    if is_needed():
        MODULE2PACKAGE['mmseg'] = 'onedl-mmsegmentation'


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
