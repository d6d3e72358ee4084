"""Imports mmpretrain, also where torchvision is missing or was made for another torch.

mmpretrain (1.3.6) needs torchvision to wrap its transforms and for visual grounding, neither of which our configs use,
but imports it first thing; and not for every build of torch is there one. For the time of the import an empty stand-in
takes its place. Put it in a config: `custom_imports = dict(imports=['freqfusion_mm.registration',
'freqfusion_mm.compat.mmpretrain_imports'], allow_failed_imports=False)`. With torchvision it changes nothing.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

NAMES = (
    'torchvision',
    'torchvision.ops',
    'torchvision.ops.boxes',
    'torchvision.transforms',
    'torchvision.transforms.functional',
    'torchvision.transforms.transforms',
)


class _StandIn(ModuleType):
    """An empty module that says what is missing when it is used."""

    def __getattr__(self, name: str) -> object:
        if name.startswith('__'):
            raise AttributeError(name)
        raise ImportError(
            f'{self.__name__}.{name} needs torchvision, which is not there or was not made for the torch '
            'that is: install the version that goes with it'
        )

    def __dir__(self) -> list[str]:
        return []  # no transforms to wrap


def import_mmpretrain() -> None:
    """Import what registers mmpretrain's models, data sets, metrics and hooks."""
    stand_in = not _torchvision_works()
    if stand_in:
        _forget_torchvision()  # a failed import leaves parts of itself
        for name in NAMES:
            module = sys.modules[name] = _StandIn(name)
            module.__spec__ = ModuleSpec(name, None)  # which find_spec wants, of others who look for torchvision
            parent, _, child = name.rpartition('.')
            if parent:
                setattr(sys.modules[parent], child, module)
        sys.modules['torchvision.transforms.transforms'].InterpolationMode = None
        sys.modules['torchvision.transforms'].RandomResizedCrop = object  # the base of a class
    try:
        for part in ('models', 'datasets', 'evaluation', 'engine', 'visualization'):
            import_module(f'mmpretrain.{part}')
    finally:
        if stand_in:
            _forget_torchvision()  # others shall find that it is missing


def _torchvision_works() -> bool:
    try:
        import torchvision.ops  # noqa: F401
    except (ImportError, RuntimeError, OSError):  # RuntimeError: its operators are not there
        return False
    return True


def _forget_torchvision() -> None:
    for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
        del sys.modules[name]


if find_spec('mmpretrain'):
    import_mmpretrain()
