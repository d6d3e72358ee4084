"""Finding and reading configs. Importing this file needs the standard library alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config


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

    Convention: every config file name is unique, so the bare name is enough.

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
    if prefix and framework != __name__.partition('.')[0]:
        return _framework_path(framework, below)
    name, root = below or name, config_root()
    file = name if name.endswith('.py') else f'{name}.py'
    if (root / file).is_file():
        return str(root / file)
    hits = sorted(root.rglob(file)) if '/' not in file else []
    if len(hits) == 1:
        return str(hits[0])
    if hits:
        raise ValueError(
            f'several configs are called {file}: {", ".join(map(str, hits))}; give the path below configs/'
        )
    near = get_close_matches(Path(file).name, [path.name for path in root.rglob('*.py')], cutoff=0.5)
    raise ValueError(
        f'no config is called {name!r} in {root}; '
        + (f'the nearest are: {", ".join(near)}' if near else 'look there for the names')
    )


def _framework_path(framework: str, below: str) -> str:
    spec = find_spec(framework)
    root = Path(next(iter(spec.submodule_search_locations or ['']))) / '.mim' / 'configs' if spec else None
    if root is None or not root.is_dir():
        raise ValueError(f'{framework}::{below}: {framework} is not installed, or without its configs')
    if not (root / below).is_file():
        near = get_close_matches(Path(below).name, [path.name for path in root.rglob('*.py')], cutoff=0.5)
        raise ValueError(f'no config {below} in {root}; ' + (f'the nearest are: {", ".join(near)}' if near else ''))
    return str(root / below)


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
        file = str(config) if Path(config).is_file() else config_path(str(config))
        cfg, name = Config.fromfile(file), Path(file).stem
    if cfg_options:
        cfg.merge_from_dict(dict(cfg_options))
    cfg.launcher = launcher
    cfg.work_dir = work_dir or cfg.get('work_dir') or f'work_dirs/{name}'
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(key)
        if loader and not loader.get('num_workers'):
            loader['persistent_workers'] = False
            loader.pop('prefetch_factor', None)
    return cfg


@contextmanager
def scope_of(cfg: Config) -> Iterator[None]:
    """Inside it, registries look a plain name up where this config's framework has it."""
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmengine'):
        yield
