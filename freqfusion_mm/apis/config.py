"""Finding configs: by name, by path, and through the prefixes `freqfusion_mm::` and `mmseg::`."""

from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PREFIX = 'freqfusion_mm::'


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
        name: the file name, with or without `.py` (`'faster-rcnn_r50_fpn_freqfusion_1x_coco'`), or
            the path below `configs/` (`'_base_/default_runtime.py'`).

    Returns:
        The absolute path.

    Raises:
        ValueError: no config of that name, or several; the message names the nearest ones.

    Example:
        >>> from freqfusion_mm import config_path
        >>> config_path('default_runtime').endswith('/configs/_base_/default_runtime.py')
        True
    """
    root = config_root()
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


def register_config_prefixes() -> None:
    """Makes `_base_ = ['freqfusion_mm::...']` work, and `'mmseg::...'` on the onedl stack too.

    mmengine resolves `_base_` before it obeys `custom_imports`, so this must be called before
    `Config.fromfile`; `tools/train.py` and `tools/test.py` do. Two gaps of mmengine (0.10.7 and
    onedl 0.10.12) are closed:

    - a prefix outside its own table is refused; with an entry in the table the file loads, but its
      parts are then looked for in a registry that is called like the prefix. Ours are in the root
      registry and the frameworks' in theirs, so our prefix adds no scope;
    - the table calls mmseg's distribution mmsegmentation, also where onedl-mmsegmentation is
      the one that is installed.

    Calling it again changes nothing.
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    if not _installed('mmsegmentation') and _installed('onedl-mmsegmentation'):
        MODULE2PACKAGE['mmseg'] = 'onedl-mmsegmentation'
    mmengines_way = Config._get_cfg_path
    if getattr(mmengines_way, 'knows_our_prefix', False):
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return config_path(cfg_path[len(PREFIX) :]), None
        return mmengines_way(cfg_path, filename)

    get_cfg_path.knows_our_prefix = True
    Config._get_cfg_path = staticmethod(get_cfg_path)


def _installed(distribution_name: str) -> bool:
    try:
        distribution(distribution_name)
    except PackageNotFoundError:
        return False
    return True
