"""The newest checkpoint that is whole is taken, and one that was cut off is named."""

import logging
import os
import shutil

import pytest
import torch

pytest.importorskip('mmengine', reason='checkpoints are those of mmengine')

from mmengine.logging import MMLogger  # noqa: E402

from freqfusion_mm.engine.newest_checkpoint import newest_checkpoint  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    """A work dir with three checkpoints, one a second."""
    for i, step in enumerate((20, 40, 100)):
        file = tmp_path / f'iter_{step}.pth'
        torch.save(dict(state_dict=dict(w=torch.rand(1000))), file)
        os.utime(file, (1e9 + i, 1e9 + i))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_100.pth'))
    return tmp_path


@pytest.fixture
def log(folder):
    """What is logged, as text."""
    logger = MMLogger.get_instance(f'newest_{folder.name}', log_level='INFO')
    lines, handler = [], logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    return lines


def cut(file, size=0.5):
    content = file.read_bytes()
    file.write_bytes(content[: int(size * len(content))])


def test_the_one_that_mmengine_names(folder, log):
    assert newest_checkpoint(folder) == str(folder / 'iter_100.pth')
    assert not log


@pytest.mark.parametrize('size', [0, 0.01, 0.5, 0.999])
def test_one_that_was_cut_off_is_named(folder, log, size):
    cut(folder / 'iter_100.pth', size)
    assert newest_checkpoint(folder) == str(folder / 'iter_40.pth')
    assert 'iter_100.pth' in log[0] and 'cut off' in log[0] and log[0].endswith(f'Going on from {folder}/iter_40.pth')


def test_a_hole_within_is_found(folder):
    content = bytearray((folder / 'iter_100.pth').read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    (folder / 'iter_100.pth').write_bytes(content)
    assert newest_checkpoint(folder) == str(folder / 'iter_40.pth')


def test_two_broken_ones(folder, log):
    cut(folder / 'iter_100.pth')
    cut(folder / 'iter_40.pth')
    assert newest_checkpoint(folder) == str(folder / 'iter_20.pth')
    assert 'iter_100.pth' in log[0] and 'iter_40.pth' in log[0]


def test_killed_before_the_new_one_was_whole(folder, log):
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_40.pth'))
    cut(folder / 'iter_100.pth')
    assert newest_checkpoint(folder) == str(folder / 'iter_40.pth')
    assert 'iter_100.pth' in log[0]


def test_killed_before_the_new_one_was_named(folder):
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_40.pth'))
    assert newest_checkpoint(folder) == str(folder / 'iter_100.pth')


def test_an_earlier_longer_run_is_not_taken(folder):
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_40.pth'))
    os.utime(folder / 'iter_100.pth', (9e8, 9e8))
    assert newest_checkpoint(folder) == str(folder / 'iter_40.pth')


def test_numbers_are_compared_as_numbers(folder):
    cut(folder / 'iter_100.pth')
    shutil.copy2(folder / 'iter_40.pth', folder / 'iter_9.pth')
    (folder / 'iter_40.pth').unlink()
    assert newest_checkpoint(folder) == str(folder / 'iter_20.pth')


@pytest.mark.parametrize('content', [None, '', 'gone/iter_100.pth'])
def test_last_checkpoint_is_missing_empty_or_of_another_place(folder, content):
    (folder / 'last_checkpoint').unlink()
    if content is not None:
        (folder / 'last_checkpoint').write_text(content)
    assert newest_checkpoint(folder) == str(folder / 'iter_100.pth')


def test_the_named_one_was_deleted(folder, log):
    (folder / 'iter_100.pth').unlink()
    assert newest_checkpoint(folder) == str(folder / 'iter_40.pth')
    assert 'iter_100.pth (it does not exist)' in log[0]


def test_best_checkpoints_are_not_resumed_from(folder):
    for step in (20, 40, 100):
        (folder / f'iter_{step}.pth').rename(folder / f'best_mIoU_iter_{step}.pth')
    (folder / 'last_checkpoint').unlink()
    assert newest_checkpoint(folder) is None


def test_nothing_there(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / 'no such folder') is None


def test_none_is_whole(folder):
    for file in folder.glob('*.pth'):
        cut(file)
    with pytest.raises(ValueError, match=r'no checkpoint .* can be used: .*iter_100.*iter_40.*iter_20.*--resume'):
        newest_checkpoint(folder)


def test_a_remote_one_is_taken_as_it_is(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('s3://bucket/iter_3.pth')
    assert newest_checkpoint(tmp_path) == 's3://bucket/iter_3.pth'


@pytest.mark.parametrize('named', ['iter_', 'gone', 'best_mIoU_iter_200.pth'])
def test_a_named_one_that_is_gone_leaves_the_others(folder, log, named):
    (folder / 'last_checkpoint').write_text(str(folder / named))
    assert newest_checkpoint(folder) == str(folder / 'iter_100.pth')
    assert f'{named} (it does not exist)' in log[0]


def test_whatever_zipfile_says_of_a_damaged_file(folder):
    content = (folder / 'iter_100.pth').read_bytes()
    for place in range(len(content) - 400, len(content), 7):  # its directory
        (folder / 'iter_100.pth').write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        assert newest_checkpoint(folder) in (str(folder / 'iter_100.pth'), str(folder / 'iter_40.pth'))


def test_a_copied_work_dir_goes_on_from_its_own(folder, tmp_path_factory):
    """Its `last_checkpoint` names the folder that it was copied from, which may have gone on since."""
    copy = tmp_path_factory.mktemp('work') / 'copy'
    shutil.copytree(folder, copy)
    shutil.copy(folder / 'iter_100.pth', folder / 'iter_200.pth')
    assert newest_checkpoint(copy) == str(copy / 'iter_100.pth')
