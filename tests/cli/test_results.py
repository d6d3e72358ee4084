"""Metafiles name what is there, and the tables of the README files are made from them."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from freqfusion_mm.apis.studies import commands, pages
from freqfusion_mm.apis.studies import metafile as metafiles
from freqfusion_mm.apis.studies.study import read_study
from freqfusion_mm.cli.results import main

ROOT = Path(__file__).resolve().parents[2]
INDEX = [ROOT / path for path in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']]


def test_every_metafile_is_in_the_index():
    assert sorted(INDEX) == sorted(ROOT.glob('configs/*/metafile.yml'))


@pytest.mark.parametrize('metafile', INDEX, ids=lambda path: path.parent.name)
def test_every_config_is_listed_once_and_exists(metafile):
    meta = yaml.safe_load(metafile.read_text())
    configs = [model['Config'] for model in meta['Models']]
    assert sorted(configs) == sorted(str(path.relative_to(ROOT)) for path in metafile.parent.glob('*.py'))
    assert [model['Name'] for model in meta['Models']] == [Path(config).stem for config in configs]
    assert {model['In Collection'] for model in meta['Models']} <= {part['Name'] for part in meta['Collections']}


@pytest.mark.parametrize('file', sorted(ROOT.glob('projects/**/study.yml')), ids=lambda path: path.parent.name)
def test_every_study_is_one(file):
    assert read_study(file).rows


def test_the_tables_are_up_to_date():
    command = [sys.executable, ROOT / 'tools' / 'results.py', 'tables', '--check']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_stale_table_is_named_and_written(tmp_path, monkeypatch, capsys):
    readme = tmp_path / 'README.md'
    old = 'before\n<!-- begin table: configs/x/metafile.yml -->\nold\n<!-- end table -->\nafter\n'
    readme.write_text(old)
    (tmp_path / 'configs' / 'x').mkdir(parents=True)
    (tmp_path / 'configs' / 'x' / 'metafile.yml').write_text(yaml.safe_dump({'Models': [MODEL]}, sort_keys=False))
    for module in (pages, commands, metafiles):
        monkeypatch.setattr(module, 'ROOT', tmp_path)
    monkeypatch.setattr(commands, 'readmes', lambda: [readme])
    with pytest.raises(SystemExit, match='^error: out of date: README.md; run python tools/results.py tables$'):
        main(['tables', '--check'])
    assert readme.read_text() == old
    main(['tables'])
    assert capsys.readouterr().out == 'written: README.md\n'
    text = readme.read_text()
    assert text.startswith('before\n<!-- begin') and text.endswith('<!-- end table -->\nafter\n')
    assert ROW in text and 'old' not in text
    main(['tables', '--check'])


MODEL = {
    'Name': 'a',
    'Config': 'configs/x/a.py',
    'Metadata': {'Parameters (M)': 1.5, 'Multiply-adds (G)': 0.25, 'Input Size': '64x96'},
    'Results': [
        {
            'Task': 'T',
            'Dataset': 'D',
            'Metrics': {'mIoU': None, 'PQ': 2.0},
            'Runs': {0: {'PQ': 1.5}, 1: {'PQ': 2.5}},
            'Published': {'mIoU': 43.5},
        }
    ],
}
ROW = '| [a](configs/x/a.py) | 1.5 | 0.25 | 43.5 | unknown | not run | 2 ± 6.4 (2) |'


def test_what_was_not_run_and_what_is_unknown_is_said(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text(yaml.safe_dump({'Models': [MODEL]}, sort_keys=False))
    head, _, row = metafiles.metafile_tables(metafile, ROOT).splitlines()[-3:]
    assert row == ROW
    columns = 'parameters (M) | multiply-adds (G) at 64x96 | mIoU, published | PQ, published | mIoU, ours | PQ, ours'
    assert head == f'| config | {columns} |'
    metafile.write_text(yaml.safe_dump({'Models': [{**MODEL, 'Metadata': {}}]}, sort_keys=False))
    row = metafiles.metafile_tables(metafile, ROOT).splitlines()[-1]
    assert row.startswith('| [a](configs/x/a.py) | not counted | not counted | 43.5 |')
    result = {**MODEL['Results'][0], 'Metrics': {'mIoU': None}, 'Runs': {}}
    models = [
        {**MODEL, 'Results': [result], 'Metadata': {**MODEL['Metadata'], 'Input Size': s}} for s in ('8x8', '9x9')
    ]
    metafile.write_text(yaml.safe_dump({'Models': models}, sort_keys=False))
    title, _, head, _, *rows = metafiles.metafile_tables(metafile, ROOT).splitlines()
    assert title == '**T, D** (ours: not run)'
    assert head == '| config | parameters (M) | multiply-adds (G) | mIoU, published |'
    assert [row.split(' | ')[2:] for row in rows] == [['0.25 at 8x8', '43.5 |'], ['0.25 at 9x9', '43.5 |']]


def test_a_run_is_recorded_beside_those_of_other_seeds(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    result = {'Task': 'T', 'Dataset': 'D', 'Metrics': {'box AP': None}}
    models = [{'Name': name, 'Metadata': {}, 'Results': [dict(result)]} for name in ('a', 'b')]
    metafile.write_text(yaml.safe_dump({'Models': models}))
    line = {'name': 'b', 'config_hash': 'h', 'device': '1 CPU threads', 'commit': 'c', 'torch': '2'}
    for seed, value, seconds in ((1, '0.25', '9.3'), (0, '0.35', '8.4')):
        metafiles.record(metafile, {**line, 'seed': str(seed), 'test/coco/bbox_mAP': value, 'train_seconds': seconds})
    a, b = yaml.safe_load(metafile.read_text())['Models']
    assert a['Results'][0]['Metrics'] == {'box AP': None} and a['Metadata'] == {}
    assert b['Results'][0]['Metrics'] == {'box AP': 30.0}
    assert b['Results'][0]['Runs'] == {0: {'box AP': 35.0}, 1: {'box AP': 25.0}}
    assert b['Metadata'] == {
        'Training Resources': '1 CPU threads',
        'Training Seconds': 8,
        'Commit': 'c',
        'Torch': '2',
        'Config Hash': 'h',
    }

    # A metric that is asked for since then has fewer seeds; of another config no seed counts beside the new one.
    content = yaml.safe_load(metafile.read_text())
    content['Models'][1]['Results'][0]['Metrics']['mAP'] = None
    metafile.write_text(yaml.safe_dump(content))
    more = {**line, 'train_seconds': '8', 'test/coco/bbox_mAP': '0.45', 'test/pascal_voc/mAP': '0.5'}
    metafiles.record(metafile, {**more, 'seed': '0'})
    b = yaml.safe_load(metafile.read_text())['Models'][1]['Results'][0]
    assert b['Metrics'] == {'box AP': 35.0, 'mAP': 50.0} and set(b['Runs']) == {0, 1}
    metafiles.record(metafile, {**more, 'seed': '2', 'config_hash': 'other'})
    b = yaml.safe_load(metafile.read_text())['Models'][1]['Results'][0]
    assert b['Metrics'] == {'box AP': 45.0, 'mAP': 50.0} and set(b['Runs']) == {2}
    metafiles.record(metafile, {**more, 'seed': '3', 'config_hash': 'other', 'test/coco/bbox_mAP': '0.4567'})
    content = yaml.safe_load(metafile.read_text())
    assert content['Models'][1]['Results'][0]['Runs'][3]['box AP'] == 45.67
    content['Models'][0]['Results'][0]['Runs'] = {7: {'box AP': 1.0}}  # of whichever config
    metafile.write_text(yaml.safe_dump(content))
    metafiles.record(metafile, {**more, 'name': 'a', 'seed': '0'})
    assert set(yaml.safe_load(metafile.read_text())['Models'][0]['Results'][0]['Runs']) == {0}
    assert list(tmp_path.iterdir()) == [metafile]  # no draft is left


def test_a_metric_that_the_run_does_not_give_is_named(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    model = {'Name': 'a', 'Metadata': {}, 'Results': [{'Task': 'T', 'Dataset': 'D', 'Metrics': {'PQ': None}}]}
    metafile.write_text(yaml.safe_dump({'Models': [model]}))
    with pytest.raises(ValueError, match='a wants PQ, but its run gave no test/panoptic/PQ; it gave test/mIoU'):
        metafiles.record(metafile, {'name': 'a', 'config_hash': 'h', 'seed': '0', 'test/mIoU': '50'})


def test_masks_are_percentages_as_boxes_are(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    model = {'Name': 'a', 'Metadata': {}, 'Results': [{'Task': 'T', 'Dataset': 'D', 'Metrics': {'mask AP': None}}]}
    metafile.write_text(yaml.safe_dump({'Models': [model]}))
    line = {'name': 'a', 'config_hash': 'h', 'device': 'd', 'commit': 'c', 'torch': '2', 'train_seconds': '1'}
    metafiles.record(metafile, {**line, 'seed': '0', 'test/coco/segm_mAP': '0.25'})
    assert yaml.safe_load(metafile.read_text())['Models'][0]['Results'][0]['Metrics'] == {'mask AP': 25.0}


def test_shares_of_a_depth_keep_their_decimals(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    metrics = {'d1': None, 'abs_rel': None, 'rmse': None}
    model = {'Name': 'a', 'Metadata': {}, 'Results': [{'Task': 'T', 'Dataset': 'D', 'Metrics': metrics}]}
    metafile.write_text(yaml.safe_dump({'Models': [model]}))
    line = {'name': 'a', 'config_hash': 'h', 'device': 'd', 'commit': 'c', 'torch': '2', 'train_seconds': '1'}
    for seed, share in (('0', '0.1191'), ('1', '0.1172')):
        values = {'test/d1': '0.86518', 'test/abs_rel': share, 'test/rmse': '0.4123'}
        metafiles.record(metafile, {**line, 'seed': seed, **values})
    found = yaml.safe_load(metafile.read_text())['Models'][0]['Results'][0]['Metrics']
    assert found == {'d1': 0.8652, 'abs_rel': 0.1182, 'rmse': 0.4123}


def test_a_metafile_that_is_changed_while_runs_go_on_costs_its_line_alone(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    line = {'name': 'a', 'config_hash': 'h', 'seed': '0', 'test/mIoU': '50'}
    result = {'Task': 'T', 'Dataset': 'D', 'Metrics': {'new': None}}
    for content, said in (
        ('Models: [', 'is no YAML'),
        ('- 1', 'has no model a any more'),
        (yaml.safe_dump({'Models': [{'Name': 'renamed'}]}), 'has no model a any more'),
        (yaml.safe_dump({'Models': [{'Name': 'a', 'Metadata': {}, 'Results': [result]}]}), 'a has the metric new'),
    ):
        metafile.write_text(content)
        with pytest.raises(ValueError, match=said):
            metafiles.record(metafile, line)
        assert metafile.read_text() == content


def test_unknown_models_and_files_that_are_none_are_refused(tmp_path):
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text('Models: [{Name: a}, {Name: b}]')
    assert metafiles.read_models(metafile, ['b']) == [{'Name': 'b'}]
    with pytest.raises(ValueError, match='has no model c; it has a, b'):
        metafiles.read_models(metafile, ['a', 'c'])
    metafile.write_text('- 1')
    with pytest.raises(ValueError, match='wants an entry Models'):
        metafiles.read_models(metafile)


def test_robustness_is_measured_where_a_row_has_it(tmp_path, monkeypatch):
    """Which rows ask for it, the command that it starts, and what becomes of the numbers that it leaves."""
    pytest.importorskip('mmengine')
    from mmengine.config import Config

    from freqfusion_mm.apis.studies import worker

    wanted = {'Results': [{'Metrics': {'mIoU': None, 'corrupted mIoU': None}}]}
    plain = {'Results': [{'Metrics': {'mIoU': None}}]}
    assert metafiles.wants_robustness(wanted) and not metafiles.wants_robustness(plain)

    commands, status = [], 0

    def start(command, **options):
        commands.append(command)
        assert command[1:5] == ['-m', 'freqfusion_mm', 'robustness', '--model']
        assert Config.fromfile(command[5]).x == 1 and command[6] == 'x.pth'
        if status == 2:
            return SimpleNamespace(returncode=status)
        Path(command[command.index('--out') + 1], 'summary.json').write_text(
            '{"x": {"corrupted mIoU": 20.0, "shift consistency": 90.0}}'
        )
        return SimpleNamespace(returncode=status)

    monkeypatch.setattr(worker.subprocess, 'run', start)
    (tmp_path / 'last_checkpoint').write_text('x.pth\n')
    measured = worker.robustness(Config({'x': 1}), tmp_path)
    assert measured == worker.robustness(Config({'x': 1}), tmp_path, 5) and commands[1][-2:] == ['--images', '5']
    assert '--images' not in commands[0] and measured == {'corrupted mIoU': 20.0, 'shift consistency': 90.0}
    status = 1  # some images could not be read
    assert measured == worker.robustness(Config({'x': 1}), tmp_path)
    status = 2
    with pytest.raises(RuntimeError, match='ended with status 2 and without a result'):
        worker.robustness(Config({'x': 1}), tmp_path)
    assert {f'robustness/{name}' for name in measured} < {key for key, *_ in metafiles.METRICS.values()}
