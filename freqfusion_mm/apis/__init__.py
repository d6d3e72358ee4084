"""What a notebook and the commands call: configs, checkpoints, models, predictions, runners.

The names below are imported when they are used: `freqfusion_mm.config_path` needs the standard library alone.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    'config_path': 'config',
    'load_config': 'config',
    'scope_of': 'config',
    'read_checkpoint': 'checkpoint',
    'load_checkpoint': 'checkpoint',
    'init_model': 'model',
    'task_of': 'model',
    'inference': 'predictions',
    'draw': 'predictions',
    'build_runner': 'runner',
    'explain': 'explanation',
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{_HOMES[name]}', __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
