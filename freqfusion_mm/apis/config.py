"""Finding and reading configs. Importing this file needs the standard library alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config


_OURS = __name__.partition('.')[0]


def config_root() -> Path:
    """Returns the folder of our configs: inside an installed package, or beside it in a checkout.

    Raises:
        RuntimeError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / '.mim' / 'configs', package.parent / 'configs'):
        if root.is_dir():
            return root
    raise RuntimeError(
        f'no configs found, neither in {package / ".mim"} (an installed package) nor in '
        f'{package.parent} (a checkout); install the package again'
    )


def config_path(name: str) -> str:
    """Returns the absolute path of one of our configs, so that any tool can be given it.

    Convention: every file name of ours is unique, so the bare name is enough; so it is for most of the frameworks'.

    Args:
        name: the file name, with or without `.py` (`'faster-rcnn_r50_freqfusion_1x_coco'`), or
            the path below `configs/` (`'_base_/default_runtime.py'`); or a framework's, `'mmseg::fcn/NAME.py'`, which
            a base may be called by where mmengine's own prefix fails:
            `_base_ = [__import__('freqfusion_mm').config_path('mmseg::fcn/NAME.py')]`.

    Returns:
        The absolute path.

    Raises:
        ValueError: no config of that name, or several; the message names the nearest ones.

    Example:
        >>> from freqfusion_mm import config_path
        >>> config_path('default_runtime').endswith('/configs/_base_/default_runtime.py')
        True
    """
    framework, prefix, below = name.partition('::')
    if not prefix:
        framework, below = _OURS, name
    root = config_root() if framework == _OURS else _framework_root(framework)
    if root is None:
        raise ValueError(f'{name}: {framework} is not installed, or without its configs')
    file = below if below.endswith('.py') else f'{below}.py'
    if (root / file).is_file():
        return str(root / file)
    hits = sorted(root.rglob(file)) if '/' not in file else []
    if len(hits) == 1:
        return str(hits[0])
    if hits:
        found = ', '.join(hit.relative_to(root).as_posix() for hit in hits)
        raise ValueError(f'several configs in {root} are called {file}: {found}; give the path below it')
    paths = {path.name: path.relative_to(root).as_posix() for path in root.rglob('*.py')}
    trained = [each for each, path in paths.items() if not path.startswith('_base_')]
    wanted = Path(file).name
    near = get_close_matches(wanted, trained, cutoff=0.5) or get_close_matches(wanted, paths, cutoff=0.5)
    near = [paths[each] for each in near]
    here = '' if prefix else f', and here it is {"a folder" if os.path.isdir(name) else "no file"}'
    raise ValueError(
        f'no config is called {below!r} in {root}{here}; '
        + (f'the nearest are: {", ".join(near)}' if near else 'look there for the names')
    )


def _framework_root(framework: str) -> Path | None:
    spec = find_spec(framework)
    root = Path(next(iter(spec.submodule_search_locations or ['']))) / '.mim' / 'configs' if spec else None
    return root if root and root.is_dir() else None


def load_config(
    config: str | Path | Config,
    cfg_options: Mapping[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
) -> Config:
    """Reads a config with every prefix and every name of ours in force.

    Args:
        config: a file, the name of one of ours, or a config that was read already (it is changed).
        cfg_options: settings to override, `{'train_cfg.max_iters': 100}`.
        work_dir: where a run would write; by default the config's own, else `work_dirs/<name>`.
        launcher: of a distributed run.

    Returns:
        The config. Workers that persist are switched off in loaders without workers, which torch would refuse.

    Raises:
        ValueError: there is no such file and no config of ours of that name.
    """
    from mmengine.config import Config

    import freqfusion_mm.registration  # noqa: F401  (before the config: it may use any of our names)

    from .. import compat

    compat.apply()
    compat.read_checkpoints_as_data()
    if isinstance(config, Config):
        cfg, name = config, Path(config.filename or 'config').stem
    else:
        path = Path(config).expanduser()
        file = str(path) if path.is_file() else config_path(str(config))
        cfg, name = Config.fromfile(file), Path(file).stem
    if cfg_options:
        cfg.merge_from_dict(dict(cfg_options))
    cfg.launcher = launcher
    cfg.work_dir = os.path.expanduser(work_dir or cfg.get('work_dir') or f'work_dirs/{name}')
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(key)
        if loader and not loader.get('num_workers'):
            loader['persistent_workers'] = False
            loader.pop('prefetch_factor', None)
    return cfg


def check_parts(cfg: Config, *keys: str) -> None:
    """Checks that a config has these parts.

    Raises:
        ValueError: names those that it lacks.
    """
    missing = [key for key in keys if cfg.get(key) is None]
    if missing:
        raise ValueError(f'the config {cfg.filename or ""} has no {", no ".join(missing)}, which this command wants')


@contextmanager
def scope_of(cfg: Config) -> Iterator[None]:
    """Inside it, registries look a plain name up where this config's framework has it."""
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmengine'):
        yield


def type_name(kind: str | type | None) -> str:
    """A `type` of a config, by its name or as a class, without scope and module.

    Example:
        >>> type_name('mmdet.FPN'), type_name(dict), type_name(None)
        ('FPN', 'dict', '')
    """
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', '')).rpartition('.')[2]
