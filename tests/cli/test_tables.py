"""Metafiles name what is there, and the tables of the README files are made from them."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
INDEX = [ROOT / path for path in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']]


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_metafile_is_in_the_index():
    assert sorted(INDEX) == sorted(ROOT.glob('configs/*/metafile.yml'))


@pytest.mark.parametrize('metafile', INDEX, ids=lambda path: path.parent.name)
def test_every_config_is_listed_once_and_exists(metafile):
    meta = yaml.safe_load(metafile.read_text())
    configs = [model['Config'] for model in meta['Models']]
    assert sorted(configs) == sorted(str(path.relative_to(ROOT)) for path in metafile.parent.glob('*.py'))
    assert [model['Name'] for model in meta['Models']] == [Path(config).stem for config in configs]
    assert {model['In Collection'] for model in meta['Models']} <= {part['Name'] for part in meta['Collections']}


def test_the_tables_are_up_to_date():
    done = subprocess.run([sys.executable, ROOT / 'tools' / 'tables.py', '--check'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_was_not_run_and_what_is_unknown_is_said(tmp_path):
    tables = tool('tables')
    model = {
        'Name': 'a',
        'Config': 'configs/x/a.py',
        'Metadata': {'Parameters (M)': 1.5},
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
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text(yaml.safe_dump({'Models': [model]}, sort_keys=False))
    row = tables.tables(metafile, ROOT).splitlines()[-1]
    assert row == '| [a](configs/x/a.py) | 1.5 | 43.5 | unknown | not run | 2 ± 0.5 (2) |'


def test_a_run_is_recorded_beside_those_of_other_seeds(tmp_path):
    pytest.importorskip('torch')
    run_table = tool('run_table')
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text(
        yaml.safe_dump(
            {
                'Models': [
                    {
                        'Name': name,
                        'Metadata': {},
                        'Results': [{'Task': 'T', 'Dataset': 'D', 'Metrics': {'box AP': None}}],
                    }
                    for name in ('a', 'b')
                ]
            }
        )
    )
    run_table.record(metafile, 'b', {'coco/bbox_mAP': 0.25}, seed=1, seconds=9)
    run_table.record(metafile, 'b', {'coco/bbox_mAP': 0.35}, seed=0, seconds=8)
    a, b = yaml.safe_load(metafile.read_text())['Models']
    assert a['Results'][0]['Metrics'] == {'box AP': None} and a['Metadata'] == {}
    assert b['Results'][0]['Metrics'] == {'box AP': 30.0}
    assert b['Results'][0]['Runs'] == {0: {'box AP': 35.0}, 1: {'box AP': 25.0}}
    assert b['Metadata']['Training Seconds'] == 8


def test_robustness_is_measured_where_a_row_has_it(tmp_path, monkeypatch):
    """The commands that a run starts, and what becomes of the numbers they leave."""
    pytest.importorskip('torch')
    run_table = tool('run_table')
    monkeypatch.setattr(run_table, 'ROOT', tmp_path)
    commands = []

    def start(command, **_):
        commands.append(Path(command[1]).stem)
        folder = Path(command[command.index('--work-dir' if '--work-dir' in command else '--out') + 1])
        (tmp_path / folder / 'time').mkdir(parents=True)
        if commands[-1] == 'train':
            (tmp_path / folder / 'last_checkpoint').write_text('x.pth')
        elif commands[-1] == 'test':
            (tmp_path / folder / 'time' / 'time.json').write_text('{"mIoU": 50.0}')
        else:
            (folder / 'summary.json').write_text('{"x": {"corrupted mIoU": 20.0, "shift consistency": 90.0}}')

    monkeypatch.setattr(run_table.subprocess, 'run', start)
    model = {'Results': [{'Metrics': {'mIoU': None, 'corrupted mIoU': None}}]}
    plain = {'Results': [{'Metrics': {'mIoU': None}}]}
    log, _ = run_table.run('x.py', 0, Path('a'), run_table.wants_robustness(model))
    assert commands == ['train', 'test', 'robustness']
    assert [log[key] for key in ('mIoU', 'corrupted mIoU', 'shift consistency')] == [50.0, 20.0, 90.0]
    run_table.run('x.py', 0, Path('b'), run_table.wants_robustness(plain))
    assert commands[3:] == ['train', 'test']
    assert set(run_table.ROBUSTNESS) < set(run_table.METRICS)
