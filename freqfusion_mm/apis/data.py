"""The data sets of a config, asked of the built objects: wrapped, concatenated, lazy and scoped ones alike."""

import os
from collections.abc import Iterator
from copy import deepcopy
from inspect import signature
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..datasets.manifest import first_and_last
from .config import scope_of


def check_data(cfg: Config, *loaders: str) -> None:
    """Checks that the folders and annotation files of these loaders exist, and that classes are names.

    A data set that downloads what is missing, by its config or by its class's default, need not be there; nor one that
    a `backend` of its `backend_args` fetches from elsewhere.

    Raises:
        FileNotFoundError: names the loader, the setting, the path, and the remedy; a config may say
            its own in a string `data_help`.
        ValueError: `classes` is a string, which the frameworks would take for a list of letters; a JSON is cut off.
    """
    for loader in loaders:
        for dataset in dataset_configs(cfg.get(loader) or {}):
            classes = (dataset.get('metainfo') or {}).get('classes')
            if isinstance(classes, str) and not os.path.isfile(classes):
                raise ValueError(
                    f'{loader}.dataset.metainfo.classes is the string {classes!r}, and no file of names: write '
                    f'a tuple, ({classes!r},)'
                )
            if (dataset.get('backend_args') or {}).get('backend', 'local') != 'local':
                continue  # its paths are those of another place
            for setting, path in _paths(dataset):
                if '://' not in path and not os.path.exists(path) and not _downloads(cfg, dataset):
                    remedy = cfg.get('data_help') or _remedy(cfg, loader, dataset.get('data_root'))
                    raise FileNotFoundError(
                        f'{loader} wants {setting} {path}, which does not exist (seen from {os.getcwd()}); {remedy}'
                    )
                if setting == 'ann_file' and path.endswith('.json') and os.path.isfile(path):
                    if first_and_last(path) not in (b'{}', b'[]'):
                        raise ValueError(f'{loader} wants {setting} {path}, which is no whole JSON; fetch it again')


def _remedy(cfg: Config, loader: str, root: str | None) -> str:
    places = (root and _data_roots(cfg, root)) or [f'{loader}.dataset.data_root']
    return 'put the data there, or say where it is: --cfg-options ' + ' '.join(f'{place}=FOLDER' for place in places)


def _data_roots(cfg: Config, root: str) -> list[str]:
    """The keys, with dots, of all that looks for its data in `root`: data sets, and hooks that check them."""

    def found(place: str, part: Any) -> Iterator[str]:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, (list, tuple)) else ()
        for key, value in items:
            if key == 'data_root' and value == root:
                yield f'{place}.{key}'
            yield from found(f'{place}.{key}', value)

    readers = ('train_dataloader', 'val_dataloader', 'test_dataloader', 'custom_hooks')
    return [key for reader in readers for key in found(reader, cfg.get(reader))]


def build_dataset(cfg: Config, loader: str = 'test_dataloader', *, with_files: bool = True) -> Any:
    """Builds the data set of a loader.

    Args:
        cfg: the config.
        loader: its key.
        with_files: off, annotations are not read: what it knows of classes and pipeline is there, its samples are not.

    Raises:
        ValueError: the config has no such data set.
    """
    if not (cfg.get(loader) or {}).get('dataset'):
        raise ValueError(f'the config has no {loader}.dataset')
    dataset = deepcopy(cfg[loader]['dataset'])
    if not with_files:
        for each in dataset_configs(dict(dataset=dataset)):
            each['lazy_init'] = True
    with scope_of(cfg):
        return DATASETS.build(dataset)


def spread(total: int, wanted: int) -> list[int]:
    """So many of the numbers below `total`, evenly spread: files stand class by class, or drive by drive."""
    return [index * total // wanted for index in range(wanted)]


def described_dataset(cfg: Config) -> Any | None:
    """The first data set of the test loader, without wrappers and files, for what it knows of classes and pipeline.

    Returns:
        It; None where it asks for its files at once, or does not know `lazy_init`.

    Raises:
        ValueError: the config has no such data set.
    """
    try:
        return innermost(build_dataset(cfg, with_files=False))[0]
    except (OSError, AssertionError, TypeError):
        return None


def dataset_configs(loader: dict) -> Iterator[dict]:
    """Every data set's settings in a loader's, those inside a wrapper after the wrapper's own."""
    for dataset in [loader.get('dataset'), *(loader.get('datasets') or [])]:
        if isinstance(dataset, dict):
            yield dataset
            yield from dataset_configs(dataset)


def innermost(dataset: Any) -> list:
    """The data sets inside the wrappers (ConcatDataset, RepeatDataset, ...), or the data set itself.

    What derives from mmengine's `BaseDataset` is none of them: its attribute `dataset` is its own affair.
    """
    if isinstance(dataset, BaseDataset):
        return [dataset]
    sliced = getattr(dataset, '__dict__', {}).get('_dataset')  # by mmengine, for `num_batch_per_epoch`
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None) or sliced]
    inner = [each for each in inner if each is not None]
    return [leaf for each in inner for leaf in innermost(each)] if inner else [dataset]


def _downloads(cfg: Config, dataset: dict) -> bool:
    """Does the data set fetch what is missing? mmpretrain's CIFAR does unless told otherwise."""
    if 'download' in dataset:
        return bool(dataset['download'])
    kind = dataset.get('type')
    if isinstance(kind, str):
        with scope_of(cfg), DATASETS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    return isinstance(kind, type) and getattr(signature(kind).parameters.get('download'), 'default', False) is True


def _paths(dataset: dict) -> Iterator[tuple[str, str]]:
    """The paths that a data set's settings name."""
    root = dataset.get('data_root') or ''
    if root:
        yield 'data_root', root
    prefixes = dataset.get('data_prefix') or {}
    if isinstance(prefixes, dict):
        settings = {f'data_prefix.{key}': path for key, path in prefixes.items()}
    else:
        settings = {'data_prefix': prefixes}
    for setting, path in {**settings, 'ann_file': dataset.get('ann_file')}.items():
        if path:
            yield setting, os.path.join(root, path)
