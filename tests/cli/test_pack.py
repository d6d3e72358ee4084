"""A packed run: one file, which trains where there is torch and no framework."""

import importlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.config import Config

from freqfusion_mm.apis import distributions, packing
from freqfusion_mm.apis.config import load_config
from freqfusion_mm.cli import packed_start
from freqfusion_mm.cli.main import main
from freqfusion_mm.engine.hooks.dataset_check import DatasetCheck

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'projects/camvid/configs/segformer_espnetv2-s1.0_freqfusion_1xb8-1500i_camvid-240x320.py'


def test_what_a_distribution_is_imported_by():
    """Of scipy, which does not list it, and of pillow, whose name is another: both have stand-ins if left out."""
    pytest.importorskip('scipy')
    assert distributions.imported_names(distribution('scipy')) == {'scipy'}
    assert distributions.imported_names(distribution('pillow')) == {'PIL'}
    assert distributions.imported_names(distribution('setuptools')) >= {'setuptools', 'pkg_resources'}


@pytest.fixture
def street(tmp_path, monkeypatch):
    """A data set like CamVid's, of noise, and weights to start from."""
    draw = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 4), ('test', 4)):
        for folder in (split, f'{split}annot'):
            (tmp_path / 'street' / folder).mkdir(parents=True)
        for index in range(count):
            name = f'{index:02d}.png'
            image, labels = draw.integers(0, 256, (90, 120, 3)), draw.integers(0, 12, (90, 120), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'street' / split / name), image)
            cv2.imwrite(str(tmp_path / 'street' / f'{split}annot' / name), labels)
    from freqfusion_mm.models.backbones import ESPNetV2

    weights = {f'backbone.{name}': value for name, value in ESPNetV2(scale=1.0).state_dict().items()}
    torch.save(weights, tmp_path / 'weights.pth')
    monkeypatch.setenv('CAMVID_PRETRAINED', str(tmp_path / 'weights.pth'))
    roots = [f'{loader}_dataloader.dataset.data_root={tmp_path / "street"}' for loader in ('train', 'val', 'test')]
    return ['--cfg-options', *roots]


def names_in(path):
    with ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_a_part_of_the_data_fits_and_no_path_of_this_machine_is_left(street, tmp_path, capsys):
    whole, part = tmp_path / 'whole.zip', tmp_path / 'part.zip'
    main(['pack', str(CONFIG), '--out', str(whole), *street])
    assert 'train_dataloader: 12 of 12 samples' in capsys.readouterr().out
    bytes_of_data = sum(path.stat().st_size for path in (tmp_path / 'street').rglob('*.png'))
    mib = (whole.stat().st_size - 0.5 * bytes_of_data) / 2**20
    main(['pack', str(CONFIG), '--out', str(part), '--mib', str(mib), *street])
    assert part.stat().st_size <= mib * 2**20 < whole.stat().st_size < 60 * 2**20
    images = {name for name in names_in(part) if name.startswith('data/street/train/')}
    assert 0 < len(images) < 12
    assert {name.replace('/train/', '/trainannot/') for name in images} <= names_in(part)
    with ZipFile(part) as archive:
        config = archive.read('config.py').decode()
    assert str(tmp_path) not in config and "checkpoint='files/0_weights.pth'" in config
    assert not any(name.endswith(('.so', '.pyc', '.png')) and name.startswith('site/') for name in names_in(part))


@pytest.mark.slow
def test_an_annotation_file_lists_what_is_packed(street, tmp_path):
    (tmp_path / 'street/list.txt').write_text('00\n03\n07\n')
    options = {each.split('=')[0]: each.split('=')[1] for each in street[1:]}
    options['train_dataloader.dataset.ann_file'] = 'list.txt'
    prefixes = dict(img_path=str(tmp_path / 'street/train'), seg_map_path='trainannot')
    options['train_dataloader.dataset.data_prefix'] = prefixes
    names_of_classes = load_config(CONFIG).train_dataloader.dataset.metainfo.classes
    (tmp_path / 'names.txt').write_text('\n'.join(names_of_classes) + '\n')
    options['train_dataloader.dataset.metainfo'] = dict(classes=str(tmp_path / 'names.txt'))
    options['custom_hooks'] = [
        dict(type=DatasetCheck, data_root=str(tmp_path / 'street'), version='street-1'),
        dict(type='DatasetCheck', data_root=str(tmp_path / 'street'), version='street-1'),  # of the whole folder, here
        dict(type='UpsamplerMonitor'),
    ]
    os.utime(tmp_path / 'weights.pth', (0, 0))  # before the first year of an archive
    assert packing.pack(CONFIG, tmp_path / 'a.zip', cfg_options=options)['samples']['train_dataloader'] == '3 of 3'
    with ZipFile(tmp_path / 'a.zip') as archive:
        assert archive.read('data/street/train_dataloader-0.txt').decode() == '00\n03\n07\n'
        config = archive.read('config.py').decode()
        [names] = [name for name in archive.namelist() if name.endswith('_names.txt')]
        assert archive.read(names).decode().split() == list(names_of_classes) and f"classes='{names}'" in config
    assert 'DatasetCheck' not in config and 'UpsamplerMonitor' in config and str(tmp_path) not in config


def test_what_an_installed_package_lacks_stays_missing(monkeypatch, tmp_path):
    """A stand-in answers for all below a package that was left behind, for nothing below one that is there."""
    (tmp_path / 'installed').mkdir()
    (tmp_path / 'installed/__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(packed_start, 'STAND_INS', ('installed', 'absent', 'installed._compiled'))
    monkeypatch.setattr(sys, 'meta_path', [*sys.meta_path, packed_start._Finder()])
    try:
        with pytest.raises(ImportError):
            importlib.import_module('installed.part')
        for name in ('absent', 'absent.part', 'installed._compiled'):
            with pytest.raises(ModuleNotFoundError, match=f'{name}.work: not on this machine'):
                importlib.import_module(name).work()
    finally:
        for name in ('installed', 'installed._compiled', 'absent', 'absent.part'):
            sys.modules.pop(name, None)


def test_the_samples_that_are_chosen_fit(tmp_path):
    """Of files of two sizes in turn, of which every second is a large one."""
    for index in range(8):
        (tmp_path / f'{index}.png').write_bytes(bytes(10_000 if index % 2 else 100_000))
    samples = [dict(img_path=str(tmp_path / f'{index}.png')) for index in range(8)]
    built = SimpleNamespace(data_prefix=dict(img_path=str(tmp_path)), img_suffix='.png')
    found = [packing._DataSet('train_dataloader', dict(ann_file='a.txt'), built, samples)]
    for room in (600_000, 450_000, 250_000, 130_000):
        (chosen,) = packing._chosen(found, room)
        assert chosen and sum(Path(each['img_path']).stat().st_size for each in chosen) < room
    assert len(packing._chosen(found, 600_000)[0]) == 8
    with pytest.raises(ValueError, match='one sample of each data set takes 0.1 MiB, 0.0 are left'):
        packing._chosen(found, 50_000)


def test_every_file_of_a_sample_is_packed():
    sample = dict(img_path='a', img_path2='b', seg_map_path='c', depth_map_path=None, ori_shape=(2, 2))
    assert list(packing._files([sample])) == ['a', 'b', 'c']


def test_no_two_roots_share_a_folder():
    roots = [Path('/a/x'), Path('/b/x'), Path('/c/x-1'), Path('/a/x')]
    assert list(packing._folders(roots).values()) == ['data/x', 'data/x-1', 'data/x-1-1']


def test_a_long_text_is_no_file(tmp_path):
    cfg = Config(dict(note='x' * 5000))
    with ZipFile(tmp_path / 'a.zip', 'w') as archive:
        packing._carry_files(cfg, archive)
    assert cfg.note == 'x' * 5000 and names_in(tmp_path / 'a.zip') == set()


def test_a_framework_whose_files_nothing_lists_is_not_left_out(monkeypatch):
    listed = [each for each in distributions.distributions() if 'mmseg' not in distributions.imported_names(each)]
    monkeypatch.setattr(distributions, 'distributions', lambda: listed)
    with pytest.raises(ValueError, match='mmseg can be imported, but no installed distribution lists the files'):
        distributions.distributions_to_bring()


@pytest.mark.filterwarnings('error:Duplicate name')
def test_each_of_several_data_sets_keeps_its_files_and_its_list(street, tmp_path):
    """Two lists of one root, a root whose folder has the same name, and a folder that is a link."""
    (tmp_path / 'other').mkdir()
    os.rename(tmp_path / 'street/val', tmp_path / 'elsewhere')
    (tmp_path / 'street/val').symlink_to(tmp_path / 'elsewhere')
    shutil.copytree(tmp_path / 'street', tmp_path / 'other/street')
    (tmp_path / 'street/a.txt').write_text('00\n03\n')
    (tmp_path / 'street/b.txt').write_text('07\n')
    cfg = load_config(CONFIG, {each.split('=')[0]: each.split('=')[1] for each in street[1:]})
    one = cfg.train_dataloader.dataset
    parts = [
        {**one, 'ann_file': 'a.txt'},
        {**one, 'ann_file': 'b.txt'},
        {**one, 'data_root': f'{tmp_path}/other/street'},
    ]
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=parts)
    with ZipFile(tmp_path / 'a.zip', 'w') as archive:
        said = packing._carry_data(cfg, archive, 2**20)
        first, second, third = cfg.train_dataloader.dataset.datasets
        assert archive.read(f'{first.data_root}/{first.ann_file}') == b'00\n03\n'
        assert archive.read(f'{second.data_root}/{second.ann_file}') == b'07\n'
        assert first.data_root == second.data_root != third.data_root and not third.get('ann_file')
        images = [name for name in archive.namelist() if name.startswith(f'{third.data_root}/train/')]
        assert len(images) == 12 and f'{first.data_root}/val/00.png' in archive.namelist()
    assert said == dict(train_dataloader='15 of 15', val_dataloader='4 of 4', test_dataloader='4 of 4')

    cfg = load_config(CONFIG, {each.split('=')[0]: each.split('=')[1] for each in street[1:]})
    cfg.train_dataloader.dataset.update(
        data_root=str(tmp_path / 'other'),
        data_prefix=dict(img_path=f'{tmp_path}/street/train', seg_map_path=f'{tmp_path}/street/trainannot'),
    )
    with ZipFile(tmp_path / 'b.zip', 'w') as archive:
        with pytest.raises(ValueError, match="train_dataloader: .*00.png is not in the data set's data_root"):
            packing._carry_data(cfg, archive, 2**20)


@pytest.mark.slow
def test_mistakes(street, tmp_path):
    with pytest.raises(SystemExit, match='must end in .zip, got'):
        main(['pack', str(CONFIG), '--out', str(tmp_path / 'a.tar'), *street])
    with pytest.raises(SystemExit, match='without data it takes .* MiB already, and 1 are allowed'):
        main(['pack', str(CONFIG), '--out', str(tmp_path / 'a.zip'), '--mib', '1', *street])
    assert not list(tmp_path.glob('a.zip*'))
    (tmp_path / 'folder.zip').mkdir()
    with pytest.raises(SystemExit, match='folder.zip is a folder'):
        main(['pack', str(CONFIG), '--out', str(tmp_path / 'folder.zip'), *street])
    with ZipFile(tmp_path / 'mine.zip', 'w') as archive:
        archive.writestr('photo.txt', 'mine')
    with pytest.raises(SystemExit, match='mine.zip would be overwritten and was not packed by this tool'):
        main(['pack', str(CONFIG), '--out', str(tmp_path / 'mine.zip'), *street])
    detector = ROOT / 'configs/_base_/default_runtime_det.py'
    with pytest.raises(SystemExit, match="default_scope='mmseg' is packed, this one has 'mmdet'"):
        main(['pack', str(detector), '--out', str(tmp_path / 'a.zip')])


@pytest.mark.slow
def test_it_trains_where_no_framework_is(street, tmp_path):
    """In a Python whose site-packages hold torch, numpy, OpenCV and matplotlib with what they need, nothing else."""
    there = tmp_path / 'there'
    there.mkdir()
    for name in distributions._needed((*distributions.THERE, 'setuptools')):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ('..', '__pycache__', 'pkg_resources') and not (there / top).is_symlink():
                (there / top).symlink_to(distribution(name).locate_file(top))
    assert not (there / 'mmengine').exists()
    main(['pack', str(CONFIG), '--out', str(tmp_path / 'packed.zip'), *street])
    start = 'import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_path(sys.argv[1], run_name="__main__")'
    start = start.replace('runpy.run', 'sys.argv.pop(0); runpy.run').replace('argv[1], run', 'argv[0], run')
    settings = ['train_cfg.max_iters=3', 'train_cfg.val_interval=3', 'train_dataloader.batch_size=2']
    env = {name: value for name, value in os.environ.items() if not name.startswith(('PYTHON', 'CAMVID'))}
    done = subprocess.run(
        [sys.executable, '-I', '-S', '-c', start, str(there), str(tmp_path / 'packed.zip'), 'train', '--cfg-options']
        + settings,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert 'mIoU' in done.stdout + done.stderr
    assert (tmp_path / 'packed/work_dirs/packed/iter_3.pth').exists()


def test_another_archive_of_that_name_is_not_taken_for_the_unpacked_one(tmp_path):
    start = (ROOT / 'freqfusion_mm/cli/packed_start.py').read_text()
    for index in range(2):
        with ZipFile(tmp_path / 'packed.zip', 'w') as archive:
            archive.writestr('__main__.py', start)
            archive.writestr('freqfusion_mm/__init__.py', '')
            archive.writestr('freqfusion_mm/cli/__init__.py', '')
            archive.writestr('freqfusion_mm/cli/main.py', f'def main(arguments): print({index}, arguments)')
        for _ in range(2):
            command = [sys.executable, tmp_path / 'packed.zip', 'train']
            done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
            if index == 0:
                assert done.stdout == "0 ['train', 'config.py']\n", done.stderr
                named = subprocess.run([*command, 'espnet'], capture_output=True, text=True, cwd=tmp_path, check=False)
                assert named.stdout == "0 ['train', 'espnet']\n", named.stderr
            else:
                assert done.returncode == 1 and 'was not unpacked from' in done.stderr


def archive_that_says(folder, said):
    with ZipFile(folder / 'packed.zip', 'w') as archive:
        archive.writestr('__main__.py', (ROOT / 'freqfusion_mm/cli/packed_start.py').read_text())
        archive.writestr('freqfusion_mm/__init__.py', '')
        archive.writestr('freqfusion_mm/cli/__init__.py', '')
        archive.writestr('freqfusion_mm/cli/main.py', f'def main(arguments): print("{said}")')
    return [sys.executable, folder / 'packed.zip', 'train']


def test_two_that_start_first_at_once_both_run(tmp_path):
    command = archive_that_says(tmp_path, 'here')
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    assert [one.communicate()[0] for one in both] == ['here\n', 'here\n']
    assert {path.name for path in tmp_path.iterdir()} == {'packed.zip', 'packed'}


def test_a_damaged_archive_leaves_nothing(tmp_path):
    command = archive_that_says(tmp_path, 'a text to be damaged')
    whole = (tmp_path / 'packed.zip').read_bytes()
    (tmp_path / 'packed.zip').write_bytes(whole.replace(b'to be damaged', b'that is other', 1))
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1 and 'Bad CRC-32' in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['packed.zip']


def test_a_folder_of_the_user_is_not_unpacked_into(tmp_path):
    with ZipFile(tmp_path / 'packed.zip', 'w') as archive:
        archive.writestr('__main__.py', (ROOT / 'freqfusion_mm/cli/packed_start.py').read_text())
        archive.writestr('config.py', 'packed')
    (tmp_path / 'packed').mkdir()
    (tmp_path / 'packed/config.py').write_text('mine')
    done = subprocess.run(
        [sys.executable, tmp_path / 'packed.zip', 'train'], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and 'was not unpacked from' in done.stderr
    assert (tmp_path / 'packed/config.py').read_text() == 'mine'


def test_modules_of_the_user_s_own_are_packed(tmp_path, monkeypatch):
    (tmp_path / 'my_layers').mkdir()
    for name in ('my_upsampler.py', 'my_layers/__init__.py', 'my_layers/deep.py'):
        (tmp_path / name).touch()
    (tmp_path / 'my_folder').mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    imports = ['freqfusion_mm.registration', 'mmseg.models', 'json', 'my_upsampler', 'my_layers.deep']
    found = packing._users_files(Config(dict(custom_imports=dict(imports=imports))))
    assert [inside for _, inside in found] == [
        'site/my_layers/__init__.py',
        'site/my_layers/deep.py',
        'site/my_upsampler.py',
    ]
    assert list(packing._users_files(Config(dict()))) == []
    with pytest.raises(ValueError, match='the config imports my_folder, which is no Python file or package'):
        list(packing._users_files(Config(dict(custom_imports=dict(imports='my_folder')))))
