"""mmcv's CARAFE without a GPU: `type='carafe'` in stock heads and necks, FPN_CARAFE.

Lacking: mmcv compiles its CARAFE operator for CUDA alone (all of 2.x); on the CPU it ends in "implementation for device
    cpu not found".
Changes: 'carafe' in mmengine's MODELS builds a subclass of mmcv's `CARAFEPack`, with its parameters and state dict,
    whose reassembly runs our operator where the features are not on a CUDA device. On a GPU it is mmcv's own.
Goes: when mmcv has a CPU kernel.
"""

from importlib.util import find_spec


def apply() -> None:
    """Puts the subclass in the place of mmcv's class, if mmcv has its operators."""
    if not find_spec('mmcv'):
        return
    from mmengine.registry import MODELS

    try:
        from mmcv.ops import CARAFEPack
    except ImportError:  # mmcv-lite, or operators that were made for another torch; the doctor says so
        return
    from .carafe_on_any_device import CARAFEPackOnAnyDevice

    if MODELS.get('carafe') is CARAFEPack:
        MODELS.register_module(name='carafe', module=CARAFEPackOnAnyDevice, force=True)
