"""How many rows of the published tables have a config: `results coverage`.

Collections of published tables are YAML files beside the project: lists `tables` and `comparable_tables` of mappings
with `paper`, `table` and `rows`. `configs/coverage.yml` gives each table a short name and says where it is stated. A
result of a metafile names the rows that it reproduces under `Published Rows`, each as `NAME / ROW`; a row without
config has its reason in `coverage.yml`. Nothing is matched by its numbers.

A row is one entry of `rows`, a mapping or a list of cells. Its name is its first cells, as many as tell it from the
others of its table: `DySample`, but `DySample+, R101` where two backbones have one. A table that is stated twice, as
that of a README which another collection repeats, counts once; its rows are those of all its statements.
"""

from pathlib import Path
from typing import NamedTuple

from .entries import Entry, read_yaml
from .metafile import read_models
from .study import ROOT

#: The row of `without config` that stands for all that have neither a config nor a reason of their own.
ALL = '*'


class Coverage(NamedTuple):
    """One table: its rows by what they have."""

    name: str
    with_config: list[str]
    with_reason: list[str]
    without: list[str]

    @property
    def rows(self) -> int:
        return len(self.with_config) + len(self.with_reason) + len(self.without)


def row_names(rows: list) -> list[str]:
    """See the head of this file.

    Example:
        >>> row_names([['A', 'R50', 1], ['B', 'R50', 2], {'method': 'A', 'backbone': 'R101', 'AP': 3}])
        ['A, R50', 'B', 'A, R101']
    """
    cells = [[str(cell) for cell in (row.values() if isinstance(row, dict) else row)] for row in rows]
    names = []
    for i, own in enumerate(cells):
        others = cells[:i] + cells[i + 1 :]
        length = next((n for n in range(1, len(own)) if all(other[:n] != own[:n] for other in others)), len(own))
        names.append(', '.join(own[:length]))
    return names


def published_tables(folder: Path) -> dict[tuple[str, str, str], list[str]]:
    """(file, paper, table) -> names of its rows.

    Raises:
        ValueError: the folder has no collection.
    """
    files = sorted(folder.glob('*.yaml'))
    if not files:
        raise ValueError(f'{folder} wants *.yaml with published tables, and has none')
    tables = {}
    for file in files:
        content = read_yaml(file)
        for table in [*content.get('tables', []), *content.get('comparable_tables', [])]:
            tables[file.stem, table['paper'], table['table']] = row_names(table['rows'])
    return tables


def configs_by_row(root: Path = ROOT) -> dict[str, list[str]]:
    """`NAME / ROW` -> the models whose results name it, from all metafiles."""
    found: dict[str, list[str]] = {}
    for metafile in sorted(root.glob('configs/*/metafile.yml')):
        for model in read_models(metafile):
            for result in model['Results']:
                for row in result.get('Published Rows', []):
                    found.setdefault(row, []).append(model['Name'])
    return found


def coverage(folder: Path, root: Path = ROOT) -> list[Coverage]:
    """Every published table and what its rows have.

    Args:
        folder: of the collections.
        root: of the repository, with `configs/coverage.yml` and the metafiles.

    Raises:
        ValueError: `coverage.yml` lacks a table, or it or a metafile names a table, a row or a reason that is not
            there; or a row has a config and a reason of its own.
    """
    tables = published_tables(folder)
    file = root / 'configs' / 'coverage.yml'
    content = Entry(str(file), read_yaml(file))
    reasons = content.get('reasons', dict)
    configs = configs_by_row(root)
    unread, unnamed, unused, covered = set(configs), set(tables), set(reasons), []
    for entry in content.entries('tables'):
        entry.keys('name', 'stated', 'without config')
        name = entry.get('name', str)
        rows = []
        for place in map(tuple, entry.get('stated', list)):
            if place not in tables:
                raise ValueError(f'{entry.where}: {folder} has no table {" | ".join(map(str, place))}')
            unnamed.discard(place)
            rows += [row for row in tables[place] if row not in rows]
        unread -= {f'{name} / {row}' for row in rows}
        excused = {str(row): reason for row, reason in entry.get('without config', dict, {}).items()}
        unused -= set(excused.values())
        with_config = [row for row in rows if f'{name} / {row}' in configs]
        for row, reason in excused.items():
            if row not in [*rows, ALL] or row in with_config:
                problem = 'has a config' if row in with_config else 'is no row of it'
                raise ValueError(f'{entry.where}: {row!r} has a reason, but {problem}')
            if reason not in reasons:
                raise ValueError(
                    f'{entry.where}: {row!r} wants one of the reasons {", ".join(reasons)}, got {reason!r}'
                )
        rest = [row for row in rows if row not in with_config]
        with_reason = [row for row in rest if row in excused or ALL in excused]
        covered.append(Coverage(name, with_config, with_reason, [row for row in rest if row not in with_reason]))
    for what, left in (
        ('names the rows', {f'{row} ({", ".join(configs[row])})' for row in unread}),
        ('lacks the tables', {' | '.join(place) for place in unnamed}),
        ('has the reasons that no row gives,', unused),
    ):
        if left:
            where = 'a metafile' if what == 'names the rows' else str(file)
            raise ValueError(f'{where} {what} {"; ".join(sorted(left))}')
    return covered


def counts(tables: list[Coverage]) -> str:
    """A table in Markdown, its last line the sum."""
    lines = ['| table | rows | with config | with reason | without |', '| --- | --- | --- | --- | --- |']
    numbers = [(t.rows, len(t.with_config), len(t.with_reason), len(t.without)) for t in tables]
    for name, row in [*zip((t.name for t in tables), numbers), ('all', tuple(map(sum, zip(*numbers))))]:
        lines.append('| ' + ' | '.join(map(str, (name, *row))) + ' |')
    return '\n'.join(lines)
