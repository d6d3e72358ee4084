"""One file that carries a training run to a machine with torch alone: `python PACKED.zip train`.

In it are the package, the pure-Python distributions that it needs there, a config with every file and module of yours
that it names, and as much of its data sets as fits.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from mmengine.config import Config

from .. import __file__ as _package
from .config import config_root, load_config, scope_of, type_name
from .data import dataset_configs, spread
from .distributions import distributions_to_bring, imported_names, pure_files
from .outputs import check_out
from .pixels import FILES
from .shared_files import rewritten

#: The compiled part of mmcv, which mmsegmentation 1.2.2 wants to import.
_MMCV_OPS = 'mmcv._ext'
#: Of the package and what lies beside it: no pictures, no recorded results.
_TEXTS = ('.py', '.yml', '.cfg', '.j2', '.js', '.css')
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def pack(config: str | Config, out: str | Path, mib: float = 60.0, cfg_options: dict[str, Any] | None = None) -> dict:
    """Writes the file.

    Args:
        config: of a semantic segmentation, in `load_config`'s words.
        out: a path that ends in `.zip`.
        mib: the largest size; of the data sets, every n-th sample is taken so that it holds.
        cfg_options: settings to override.

    Returns:
        `samples`, by loader how many of how many; `left_out`, the distributions that are not pure Python, for which
        stand-ins are imported there that refuse to be used.

    Raises:
        ValueError: `out` is no `.zip`; the config is not mmseg's; the package and one sample of each data set are
            larger than `mib`; a data set whose samples do not name their files; a framework whose files no
            distribution lists. What lay at `out` stays then.
        FileExistsError: what lies at `out` was not packed by this.
    """
    out = Path(out)
    if out.suffix != '.zip':
        raise ValueError(f'the packed file must end in .zip, got {out}')
    cfg = load_config(config, cfg_options)
    if cfg.get('default_scope') != 'mmseg':
        raise ValueError(
            "only mmseg's models run with torch alone: a config with default_scope='mmseg' is packed, this one has "
            f'{cfg.get("default_scope")!r}'
        )
    out = check_out(out)
    if out.exists() and not _is_ours(out):
        raise FileExistsError(f'{out} would be overwritten and was not packed by this tool: give another name')
    with rewritten(out) as draft, ZipFile(draft, 'w', ZIP_DEFLATED, strict_timestamps=False) as archive:
        return _fill(archive, cfg, mib * 2**20)


def _is_ours(path: Path) -> bool:
    try:
        with ZipFile(path) as archive:
            return b'freqfusion_mm' in archive.read('__main__.py')
    except (BadZipFile, KeyError):
        return False


def _fill(archive: ZipFile, cfg: Config, limit: float) -> dict:
    pure, left_out = distributions_to_bring()
    for name in pure:
        for path, inside in pure_files(name):
            archive.write(path, f'site/{inside}')
    for path, inside in (*_own_files(), *_users_files(cfg)):
        archive.write(path, inside)
    stand_ins = {top for name in left_out for top in imported_names(distribution(name))} | {_MMCV_OPS}
    start = _START.read_text().replace('STAND_INS = ()', f'STAND_INS = {sorted(stand_ins)!r}')
    archive.writestr('__main__.py', start)
    # Of whole data folders, by their place here; what arrives is a part of them, elsewhere.
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks') or [] if not _checks_data(hook)]
    _carry_files(cfg._cfg_dict, archive, besides=_LOADERS)
    taken = archive.fp.tell() + sum(_entry(info.filename) for info in archive.infolist()) + _CONFIG
    if taken >= limit:
        raise ValueError(f'without data it takes {taken / 2**20:.1f} MiB already, and {limit / 2**20:g} are allowed')
    samples = _carry_data(cfg, archive, limit - taken)
    cfg.work_dir = 'work_dirs/packed'
    cfg.pop('data_root', None)
    archive.writestr('config.py', cfg.pretty_text)
    return dict(samples=samples, left_out=left_out)


def _checks_data(hook: dict[str, Any]) -> bool:
    return type_name(hook.get('type')) == 'DatasetCheck'


#: Bytes that are kept for the config.
_CONFIG = 2**16


def _entry(name: str) -> int:
    """Bytes of the archive's directory for a file."""
    return 64 + len(name.encode())


_START = Path(__file__).parents[1] / 'cli' / 'packed_start.py'


# ---------------------------------------------------------------- our own files


def _own_files() -> Iterator[tuple[Path, str]]:
    package = Path(_package).parent
    yield from _texts(package, 'freqfusion_mm')
    for room in ('configs', 'projects', 'tools', 'tests'):
        yield from _texts(config_root().parent / room, room)
    if (config := package.parent / 'setup.cfg').is_file():  # pytest's settings
        yield config, 'setup.cfg'


def _users_files(cfg: Config) -> Iterator[tuple[Path, str]]:
    """The modules that a config imports and no installed distribution holds: the user's own, an upsampler say."""
    imports = (cfg.get('custom_imports') or {}).get('imports') or []
    tops = {name.partition('.')[0] for name in ([imports] if isinstance(imports, str) else imports)}
    for top in sorted(tops - {'freqfusion_mm', *packages_distributions(), *sys.stdlib_module_names}):
        file = Path(find_spec(top).origin or '')  # imported when the config was read
        if file.name == '__init__.py':
            yield from _texts(file.parent, f'site/{top}')
        elif file.suffix == '.py':
            yield file, f'site/{file.name}'
        else:
            raise ValueError(
                f'the config imports {top}, which is no Python file or package with an __init__.py to pack'
            )


def _texts(folder: Path, inside: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob('*')):
        if path.suffix in _TEXTS and path.is_file() and '__pycache__' not in path.parts:
            yield path, f'{inside}/{path.relative_to(folder)}'


# ---------------------------------------------------------------- what a config names


def _carry_files(settings: dict[str, Any], archive: ZipFile, besides: Sequence[str] = ()) -> None:
    """Packs the files that settings name, checkpoints above all, and has them name those in the archive.

    Args:
        settings: of a config.
        archive: to pack into.
        besides: keys that are passed over.
    """
    carried: dict[str, str] = {}

    def carry(value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in besides:
                    value[key] = carry(value[key])
        elif isinstance(value, (list, tuple)):
            return type(value)(carry(each) for each in value)
        elif isinstance(value, str) and os.path.isfile(value):
            if value not in carried:
                number = sum(name.startswith('files/') for name in archive.namelist())
                carried[value] = f'files/{number}_{Path(value).name}'
                archive.write(value, carried[value])
            return carried[value]
        return value

    carry(settings)


@dataclass
class _DataSet:
    """One of the config's: its settings, and its samples as it lists them."""

    loader: str
    settings: dict[str, Any]
    built: Any
    samples: list[dict[str, Any]]

    @property
    def root(self) -> Path:
        return Path(os.path.abspath(self.built.data_root or '.'))  # links are followed by no one

    def below_root(self, path: str) -> Path:
        place = Path(os.path.abspath(path))
        if not place.is_relative_to(self.root):
            raise ValueError(
                f"{self.loader}: {path} is not in the data set's data_root {self.root}; set data_root to a folder that "
                'holds all of its files, and its prefixes from there'
            )
        return place.relative_to(self.root)

    def listed(self, samples: Iterable[dict[str, Any]]) -> str:
        """What an `ann_file` of these samples says."""
        folder, suffix = Path(self.built.data_prefix['img_path']), self.built.img_suffix
        names = [str(Path(each['img_path']).relative_to(folder)).removesuffix(suffix) for each in samples]
        return '\n'.join(names) + '\n'


def _carry_data(cfg: Config, archive: ZipFile, room: float) -> dict[str, str]:
    """Packs samples of every data set, each with the same share, and has the config look for them there."""
    found = list(_data_sets(cfg))
    folders = _folders(each.root for each in found)
    packed, taken, there = set(), Counter(), Counter()
    for number, (each, chosen) in enumerate(zip(found, _chosen(found, room))):
        folder = folders[each.root]
        for path in _files(chosen):
            name = f'{folder}/{each.below_root(path)}'
            if name not in packed:
                packed.add(name)
                archive.write(path, name)
        each.settings['data_root'] = folder
        for key, path in (each.settings.get('data_prefix') or {}).items():
            if os.path.isabs(path):
                each.settings['data_prefix'][key] = str(each.below_root(path))
        _carry_files(each.settings.get('metainfo') or {}, archive)  # a file of class names
        if each.settings.get('ann_file'):
            each.settings['ann_file'] = f'{each.loader}-{number}.txt'
            archive.writestr(f'{folder}/{each.settings["ann_file"]}', each.listed(chosen))
        taken[each.loader] += len(chosen)
        there[each.loader] += len(each.samples)
    return {loader: f'{taken[loader]} of {there[loader]}' for loader in taken}


def _chosen(found: Sequence[_DataSet], room: float) -> list[list[dict[str, Any]]]:
    """Of each data set the same share of its samples, evenly spread: the largest that fits, but one sample at least."""
    sizes = {path: Path(path).stat().st_size + 2 * _entry(path) for each in found for path in _files(each.samples)}
    share, fewest = 1.0, [1] * len(found)
    while True:
        counts = [max(1, int(share * len(each.samples))) for each in found]
        chosen = [
            [each.samples[index] for index in spread(len(each.samples), count)] for each, count in zip(found, counts)
        ]
        size = sum(sizes[path] for path in {path for samples in chosen for path in _files(samples)})
        size += sum(
            len(each.listed(part).encode()) for each, part in zip(found, chosen) if each.settings.get('ann_file')
        )
        if size <= room:
            return chosen
        if counts == fewest:
            raise ValueError(
                f'one sample of each data set takes {size / 2**20:.1f} MiB, {room / 2**20:.1f} are left for them'
            )
        share *= min(room / size, 0.99)


def _data_sets(cfg: Config) -> Iterator[_DataSet]:
    from mmengine.registry import DATASETS

    for loader in _LOADERS:
        for settings in dataset_configs(cfg.get(loader) or {}):
            if 'dataset' in settings or 'datasets' in settings:
                continue  # a wrapper
            with scope_of(cfg):
                built = DATASETS.build(dict(settings, pipeline=[], lazy_init=False, serialize_data=False))
            samples = [built.get_data_info(index) for index in range(len(built))]
            if not samples or 'seg_map_path' not in samples[0]:
                raise ValueError(
                    f'{loader} must be of a semantic segmentation whose samples name img_path and seg_map_path, got a '
                    f'{type(built).__name__} of {len(samples)} samples'
                )
            yield _DataSet(loader, settings, built, samples)


def _folders(roots: Iterable[Path]) -> dict[Path, str]:
    """Where in the archive the files of each root go: a folder of its name, numbered where names are equal."""
    folders: dict[Path, str] = {}
    for root in dict.fromkeys(roots):
        name, numbers = f'data/{root.name}', count(1)
        while name in folders.values():
            name = f'data/{root.name}-{next(numbers)}'
        folders[root] = name
    return folders


def _files(samples: Iterable[dict]) -> Iterator[str]:
    for sample in samples:
        yield from (sample[key] for key in FILES if sample.get(key))
