"""`results coverage`: rows of published tables are named, matched and counted; ours all have a config or a reason."""

import re
from pathlib import Path

import pytest
import yaml

from freqfusion_mm.apis.studies.coverage import counts, coverage, row_names
from freqfusion_mm.apis.studies.entries import read_yaml
from freqfusion_mm.apis.studies.metafile import read_models
from freqfusion_mm.cli.results import main

ROOT = Path(__file__).resolve().parents[2]


def test_every_published_row_has_a_config_or_a_reason(shared):
    tables = coverage(shared('published'))
    assert [f'{table.name} / {row}' for table in tables for row in table.without] == []
    assert counts(tables) in (ROOT / 'configs' / 'README.md').read_text(), 'see its section on published rows'


#: The columns of published tables that hold each metric of a metafile.
COLUMNS = {
    'mIoU': r'(?!category)(.*_)?mIoU(_ss|_to|_from|_fraction|_class|_approx)?( .*)?',
    'box AP': '(box_)?AP( or PQ)?',
    'mask AP': '(mask_)?AP',
    'PQ': 'PQ|AP or PQ',
    'abs_rel': 'AbsRel',
    'rmse': 'RMS',
    'top-1': 'top1',
    'top-5': 'top5',
}


def values(row, columns, metric):
    """What a row states of a metric, shares also in percent. Columns are those of the last cells."""
    cells = row if isinstance(row, dict) else dict(zip(reversed(columns), reversed(row)))
    wanted = re.compile(COLUMNS.get(metric, re.escape(metric)))
    stated = [cell for name, cell in cells.items() if wanted.fullmatch(str(name))]
    found = {float(cell) for cell in stated if isinstance(cell, (int, float))}
    return found | {round(100 * number, 6) for number in found}


def test_every_published_value_is_one_of_the_row_that_it_names(shared):
    folder = shared('published')
    rows = {}
    for table in read_yaml(ROOT / 'configs' / 'coverage.yml')['tables']:
        for file, paper, title in table['stated']:
            collection = read_yaml(folder / f'{file}.yaml')
            for each in [*collection.get('tables', []), *collection.get('comparable_tables', [])]:
                if (each['paper'], each['table']) == (paper, title):
                    for name, row in zip(row_names(each['rows']), each['rows']):
                        rows.setdefault(f'{table["name"]} / {name}', []).append((row, each.get('columns')))
    checked = 0
    for metafile in sorted(ROOT.glob('configs/*/metafile.yml')):
        if metafile.parent.name == 'frozen':
            continue  # of a paper that the collections lack
        for model in read_models(metafile):
            for result in model['Results']:
                for metric, value in (result.get('Published') or {}).items():
                    stated = [each for row in result.get('Published Rows', []) for each in rows[row]]
                    known = set().union(*(values(row, columns, metric) for row, columns in stated))
                    assert value is None or value in known, (model['Name'], metric, value)
                    checked += value is not None
    assert checked > 200


def test_a_row_is_named_by_its_first_cells():
    assert row_names([['A', 'R50', 1], ['A', 'R101', 2], ['B', 'R50', 3]]) == ['A, R50', 'A, R101', 'B']
    assert row_names([{'s': 2.0, 'split': 'val'}, {'s': 2.0, 'split': 'test'}]) == ['2.0, val', '2.0, test']
    assert row_names([['A', 1], ['A', 1]]) == ['A, 1', 'A, 1']


@pytest.fixture
def project(tmp_path):
    """project(**parts): a repository of one metafile beside one collection; parts replace what stands here."""
    (tmp_path / 'published').mkdir()
    (tmp_path / 'configs' / 'x').mkdir(parents=True)

    def write(rows=('t / A, R50',), stated=(('one', 'P', 'T'), ('one', 'P', 'again')), excused=None, reasons=None):
        collection = {
            'tables': [{'paper': 'P', 'table': 'T', 'rows': [['A', 'R50', 1], ['A', 'R101', 2], ['B', 'R50', 3]]}],
            'comparable_tables': [{'paper': 'P', 'table': 'again', 'rows': [{'m': 'B', 'AP': 3}, {'m': 'C', 'AP': 4}]}],
        }
        (tmp_path / 'published' / 'one.yaml').write_text(yaml.safe_dump(collection, sort_keys=False))
        models = [{'Name': 'a', 'Results': [{'Published Rows': list(rows)}, {}]}]
        (tmp_path / 'configs' / 'x' / 'metafile.yml').write_text(yaml.safe_dump({'Models': models}))
        table = {'name': 't', 'stated': [list(place) for place in stated], 'without config': excused or {'B': 'r'}}
        content = {'reasons': {'r': 'A sentence.'} if reasons is None else reasons, 'tables': [table]}
        (tmp_path / 'configs' / 'coverage.yml').write_text(yaml.safe_dump(content))
        return coverage(tmp_path / 'published', tmp_path)

    return write


def test_rows_are_matched_by_what_a_metafile_names(project):
    (table,) = project()
    assert table == ('t', ['A, R50'], ['B'], ['A, R101', 'C']) and table.rows == 4
    assert counts([table]).splitlines()[2:] == ['| t | 4 | 1 | 1 | 2 |', '| all | 4 | 1 | 1 | 2 |']
    (table,) = project(rows=['t / B', 't / C'], excused={'*': 'r'})
    assert table == ('t', ['B', 'C'], ['A, R50', 'A, R101'], [])


@pytest.mark.parametrize(
    'parts, message',
    [
        (dict(rows=['t / A']), r'a metafile names the rows t / A \(a\)'),
        (dict(rows=['u / A, R50']), r'names the rows u / A, R50 \(a\)'),
        (dict(stated=[('one', 'P', 'T')]), r'lacks the tables one \| P \| again'),
        (dict(stated=[('two', 'P', 'T')]), r'has no table two \| P \| T'),
        (dict(excused={'D': 'r'}), "'D' has a reason, but is no row of it"),
        (dict(excused={'A, R50': 'r'}), "'A, R50' has a reason, but has a config"),
        (dict(excused={'B': 's'}), "'B' wants one of the reasons r, got 's'"),
        (dict(reasons={'r': 'A.', 's': 'B.'}), 'has the reasons that no row gives, s'),
    ],
)
def test_what_names_nothing_is_an_error(parts, message, project):
    with pytest.raises(ValueError, match=message):
        project(**parts)


def test_the_command_lists_what_is_missing(tmp_path, project, monkeypatch, capsys):
    from freqfusion_mm.apis.studies import commands

    project()
    find = commands.find_coverage
    monkeypatch.setattr(commands, 'find_coverage', lambda folder: find(folder, tmp_path))
    with pytest.raises(SystemExit, match='^error: neither a config nor a reason:\nt / A, R101\nt / C$'):
        main(['coverage', str(tmp_path / 'published')])
    assert '| t | 4 | 1 | 1 | 2 |' in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r'wants \*.yaml with published tables, and has none'):
        main(['coverage', str(tmp_path)])
