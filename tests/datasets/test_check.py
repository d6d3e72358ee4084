"""The check of a data folder: each defect is named, with the remedy."""

import json

import pytest

pytest.importorskip('mmengine', reason='the check is an mmengine hook')

from freqfusion_mm.datasets.manifest import DatasetError, check_dataset, read_manifest, write_manifest
from freqfusion_mm.engine.hooks.dataset_check import DatasetCheck  # noqa: E402

REMEDY = 'Make it again.'


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'data'
    (root / 'images').mkdir(parents=True)
    (root / 'empty').mkdir()
    (root / 'images' / '1.png').write_bytes(b'pixels')
    (root / 'images' / '2.png').write_bytes(b'other pixels')
    (root / 'list.json').write_text(json.dumps(dict(images=[1, 2])))
    write_manifest(root, 'toy-1', arguments=dict(seed=0), facts=dict())
    return root


def refuse(root, match, **kwargs):
    """The check and the hook refuse alike, and say which folder and what to do."""
    for check in (check_dataset, DatasetCheck):
        with pytest.raises(DatasetError, match=match) as caught:
            check(str(root), remedy=REMEDY, **kwargs)
        assert f"'{root}' cannot be used" in str(caught.value)
        assert str(caught.value).endswith(REMEDY)


def test_a_whole_folder_passes(folder):
    (folder / '.DS_Store').write_text('a file browser was here')
    check_dataset(folder, required=['images', 'list.json'], version='toy-1')
    assert read_manifest(folder)['arguments'] == dict(seed=0)
    assert sorted(read_manifest(folder)['files']) == ['images/1.png', 'images/2.png', 'list.json']


def test_missing_folder(tmp_path):
    refuse(tmp_path / 'none', 'there is no such folder')
    (tmp_path / 'file').write_text('')
    refuse(tmp_path / 'file', 'there is no such folder')


@pytest.mark.parametrize(
    'name, match',
    [
        ('nothing', "'nothing' is missing"),
        ('empty', "'empty' is empty"),
    ],
)
def test_missing_part(folder, name, match):
    refuse(folder, match, required=['images', name])


@pytest.mark.parametrize('content', ['', '{"images": [1, 2', '<html>not found</html>'])
def test_broken_json(folder, content):
    (folder / 'list.json').write_text(content)
    refuse(folder, "'list.json' is corrupt: a JSON object begins", required=['list.json'])


def test_long_json_is_judged_by_its_ends(folder):
    (folder / 'list.json').write_text(' {"a": "' + 'x' * 1000 + '"}\n')
    check_dataset(folder, required=['list.json'])


def test_changed_file(folder):
    (folder / 'images' / '2.png').write_bytes(b'other pixel')
    refuse(folder, r"1 file corrupt \(not what was written\), first 'images/2.png'", version='toy-1')
    check_dataset(folder, required=['images'])  # without a version nobody asks


def test_lost_and_foreign_files(folder):
    (folder / 'images' / '3.png').write_bytes(b'mine')
    refuse(folder, "1 file not in the manifest, first 'images/3.png'", version='toy-1')
    for name in '123':
        (folder / 'images' / f'{name}.png').unlink()
    refuse(folder, "2 files missing, first 'images/1.png'", version='toy-1')


def test_hidden_folders_are_nobodys_and_a_manifest_elsewhere_is_a_file(folder):
    (folder / '.cache' / 'deep').mkdir(parents=True)
    (folder / '.cache' / 'deep' / 'index').write_text('of some tool')
    check_dataset(folder, version='toy-1')
    (folder / 'images' / 'manifest.json').write_text('{}')
    refuse(folder, "1 file not in the manifest, first 'images/manifest.json'", version='toy-1')


@pytest.mark.parametrize(
    'content, match',
    [
        (None, 'missing: the folder was never finished'),
        ('{"version": ', 'not valid JSON'),
        ('[1]', 'not a manifest: it wants the keys version, arguments, files'),
        ('{"version": 1, "arguments": {}, "files": {}}', 'not a manifest'),
        ('{"version": "toy-0", "arguments": {}, "files": {}}', "written as 'toy-0', wanted is 'toy-1'"),
    ],
)
def test_broken_manifest(folder, content, match):
    path = folder / 'manifest.json'
    path.unlink() if content is None else path.write_text(content)
    refuse(folder, match, version='toy-1')
