"""What the tools check before a run, without a run."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

pytest.importorskip('mmengine', reason='the tools run on mmengine')

from mmengine.config import Config

from freqfusion_mm.apis.checkpoint import CheckpointError
from freqfusion_mm.apis.launch import add_arguments, check_data, plain_errors, save_pictures


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
    with pytest.raises(FileNotFoundError, match='wants img'):
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


@pytest.mark.parametrize(
    'scope, hook, switch',
    [
        ('mmseg', 'SegVisualizationHook', 'draw'),
        ('mmdet', 'DetVisualizationHook', 'draw'),
        ('mmpretrain', 'VisualizationHook', 'enable'),
    ],
)
def test_pictures_in_every_scope(tmp_path: Path, scope: str, hook: str, switch: str) -> None:
    cfg = Config(dict(default_scope=scope))
    save_pictures(cfg, str(tmp_path))
    assert cfg.default_hooks.visualization.type == hook and cfg.default_hooks.visualization[switch] is True
    assert cfg.visualizer.vis_backends[0].img_save_dir == str(tmp_path)


def test_no_pictures_without_a_scope(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='default_scope'):
        save_pictures(Config({}), str(tmp_path))


def test_an_error_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r'^error: wanted a, got b$'):
        with plain_errors(False, while_building=True):
            raise ValueError('wanted a,\n   got b')
    with pytest.raises(SystemExit, match=r'^error: KeyError: no such type$'):
        with plain_errors(False, while_building=True):
            raise KeyError('no such type')
    with pytest.raises(ValueError):
        with plain_errors(True, while_building=True):
            raise ValueError


def test_while_running_only_a_checkpoint_is_the_users() -> None:
    with pytest.raises(RuntimeError):
        with plain_errors(False, while_building=False):
            raise RuntimeError('a bug')
    with pytest.raises(SystemExit, match='another model'):
        with plain_errors(False, while_building=False):
            raise CheckpointError('another model')


def test_what_mim_and_torch_pass_on() -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    for spelling in ('--local_rank=1', '--local-rank=1'):
        args = parser.parse_args(
            ['a.py', '--launcher', 'none', spelling, '--work-dir', 'w', '--cfg-options', 'a.b=1', 'c=[2,3]']
        )
        assert (args.config, args.local_rank, args.work_dir) == ('a.py', 1, 'w')
        assert args.cfg_options == {'a.b': 1, 'c': [2, 3]}
    # mim adds `--gpus N` or `--device cpu` where the help names the option; mmengine needs neither.
    assert '--gpus' not in parser.format_help()
