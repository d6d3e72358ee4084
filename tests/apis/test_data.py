"""Data sets and their classes, asked without a run."""

from pathlib import Path

import pytest

pytest.importorskip('mmengine', reason='data sets are of mmengine')

from mmengine.config import Config  # noqa: E402
from mmengine.registry import DATASETS  # noqa: E402

from freqfusion_mm.apis.data import check_data, innermost  # noqa: E402


def config(root: Path, **others: object) -> Config:
    inner = dict(type='Any', data_root=str(root), ann_file='labels.json', data_prefix=dict(img='img'))
    return Config(
        dict(train_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=inner)), val_dataloader=None, **others)
    )


def test_what_is_there_passes(tmp_path: Path) -> None:
    (tmp_path / 'img').mkdir()
    (tmp_path / 'labels.json').write_text('{}')
    check_data(config(tmp_path), 'train_dataloader', 'val_dataloader')


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'train_dataloader wants data_root .*gone.* does not exist'):
        check_data(config(tmp_path / 'gone'), 'train_dataloader')
    with pytest.raises(FileNotFoundError, match='wants data_prefix.img .*img, which'):
        check_data(config(tmp_path), 'train_dataloader')
    (tmp_path / 'img').mkdir()
    with pytest.raises(FileNotFoundError, match='wants ann_file .*labels.json'):
        check_data(config(tmp_path), 'train_dataloader')


def test_a_config_may_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='make it: python make_it.py'):
        check_data(config(tmp_path / 'gone', data_help='make it: python make_it.py'), 'train_dataloader')


def test_remote_data_is_left_to_its_reader() -> None:
    dataset = dict(data_root='s3://bucket', ann_file='labels.json')
    check_data(Config(dict(train_dataloader=dict(dataset=dataset))), 'train_dataloader')


def test_data_that_is_downloaded_may_be_missing(tmp_path: Path) -> None:
    dataset = dict(data_root=str(tmp_path / 'gone'), download=True)
    check_data(Config(dict(train_dataloader=dict(dataset=dataset))), 'train_dataloader')


def test_a_class_may_download_unless_told_otherwise(tmp_path: Path) -> None:
    class Downloads:
        def __init__(self, data_root: str = '', download: bool = True) -> None: ...

    DATASETS.register_module(name='DownloadsByDefault', module=Downloads, force=True)
    dataset = dict(type='DownloadsByDefault', data_root=str(tmp_path / 'gone'))
    check_data(Config(dict(train_dataloader=dict(dataset=dataset))), 'train_dataloader')
    dataset['download'] = False
    with pytest.raises(FileNotFoundError, match='wants data_root'):
        check_data(Config(dict(train_dataloader=dict(dataset=dataset))), 'train_dataloader')


def test_classes_that_are_a_string_are_refused(tmp_path: Path) -> None:
    dataset = dict(type='Any', metainfo=dict(classes='road'))
    with pytest.raises(ValueError, match=r"is the string 'road'.*\('road',\)"):
        wrapped = dict(type='RepeatDataset', dataset=dataset)
        check_data(Config(dict(train_dataloader=dict(dataset=wrapped))), 'train_dataloader')
    (tmp_path / 'names.txt').write_text('road\nsky\n')  # mmengine reads it
    dataset['metainfo']['classes'] = str(tmp_path / 'names.txt')
    check_data(Config(dict(train_dataloader=dict(dataset=dataset))), 'train_dataloader')


def test_the_remedy_names_all_that_look_there(tmp_path: Path) -> None:
    gone = str(tmp_path / 'gone')
    hooks = [dict(type='UpsamplerMonitor'), dict(type='DatasetCheck', data_root=gone)]
    cfg = config(tmp_path / 'gone', custom_hooks=hooks, test_dataloader=dict(dataset=dict(data_root='elsewhere')))
    keys = ('train_dataloader.dataset.dataset.data_root', 'custom_hooks.1.data_root')
    with pytest.raises(FileNotFoundError, match=' '.join(f'{key}=FOLDER' for key in keys) + '$'):
        check_data(cfg, 'train_dataloader')
    cfg.merge_from_dict(dict.fromkeys(keys, 'here'))  # as --cfg-options does
    assert cfg.custom_hooks[1].data_root == cfg.train_dataloader.dataset.dataset.data_root == 'here'


def test_data_of_a_backend_are_elsewhere(tmp_path: Path) -> None:
    mapped = config(tmp_path / 'gone')
    mapped.train_dataloader.dataset.dataset.backend_args = dict(
        backend='petrel', path_mapping={'data/': 's3://bucket/'}
    )
    check_data(mapped, 'train_dataloader')
    mapped.train_dataloader.dataset.dataset.backend_args = dict(backend='local')
    with pytest.raises(FileNotFoundError):
        check_data(mapped, 'train_dataloader')


def test_a_data_set_may_keep_another() -> None:
    from mmengine.dataset import BaseDataset, RepeatDataset

    class Kept(BaseDataset):
        def load_data_list(self):
            return [dict(img_path='a.png')]

    leaf = Kept(pipeline=[])
    leaf.dataset = [1, 2, 3]  # of another library
    assert innermost(leaf) == [leaf] and innermost(RepeatDataset(leaf, 2)) == [leaf]
