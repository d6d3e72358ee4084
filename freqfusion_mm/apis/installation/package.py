"""Checks of freqfusion_mm itself: what it registers, and where its configs are."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from ..config import config_root
from .finding import Finding, flat, note, ok, problem


def check_registered(modules: Mapping[str, object] | None = None) -> list[Finding]:
    """Says what freqfusion_mm registers in mmengine's root registries.

    Args:
        modules: registered name -> class; found by importing `freqfusion_mm.registration` if None.
    """
    if modules is None:
        if find_spec('mmengine') is None:
            return [note('nothing is registered without mmengine')]
        try:
            modules = _registered()
        except Exception as error:
            what = f'`import freqfusion_mm.registration` fails: {type(error).__name__}: {flat(error)}'
            return [problem(what, 'tools/setup.sh')]
    if not modules:
        return [problem('freqfusion_mm.registration registers nothing', 'install freqfusion_mm again')]
    return [ok(f'{len(modules)} registered names: {", ".join(sorted(modules))}')]


def check_configs() -> list[Finding]:
    """Says where our configs are."""
    try:
        root = config_root()
    except RuntimeError as error:
        return [problem(flat(error), 'pip install --force-reinstall freqfusion-mm')]
    return [ok(f'{len(list(root.rglob("*.py")))} configs in {root}')]


def _registered() -> dict[str, object]:
    from mmengine import registry

    import_module('freqfusion_mm.registration')
    roots = [value for value in vars(registry).values() if isinstance(value, registry.Registry)]
    return {
        name: cls
        for root in roots
        for name, cls in root.module_dict.items()
        if getattr(cls, '__module__', '').startswith('freqfusion_mm.')
    }
