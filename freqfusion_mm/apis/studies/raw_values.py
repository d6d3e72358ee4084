"""A CSV of raw values, one line a run, that several processes may write at once."""

import csv
from collections.abc import Iterable
from pathlib import Path

from ..shared_files import locked, rewritten

#: What every line says of its run; the metrics follow, and runs may differ in them. Training is timed without its
#: validations, and processor seconds are those of its own process: workers that load data are not in them.
COLUMNS = (
    'name',
    'config',
    'config_hash',
    'seed',
    'choice',
    'commit',
    'torch',
    'device',
    'train_seconds',
    'train_cpu_seconds',
    'parameters',
    'flops',
)
Key = tuple[str, str, str]


class RawValues:
    """The lines of `results.csv`, `choices.csv` or `curves.csv`: text by column, '' where a run has no such value.

    Args:
        path: the file; it need not exist yet.
        columns: those that come first.
        key: the columns that tell one run from another. Its new lines replace the old ones.
    """

    def __init__(
        self,
        path: Path,
        columns: Iterable[str] = COLUMNS,
        key: Iterable[str] = ('name', 'config_hash', 'seed'),
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.key = tuple(key)

    def read(self) -> list[dict[str, str]]:
        """All lines, oldest first; none where there is no file.

        Raises:
            ValueError: names the file, and the line that is none.
        """
        if not self.path.exists():
            return []
        with open(self.path, newline='', encoding='utf-8-sig') as file:  # a spreadsheet puts a mark before the text
            reader = csv.DictReader(file, restval='')
            missing = [column for column in self.key if column not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(
                    f'{self.path} has no column {", ".join(missing)}: it must be values with commas between'
                )
            lines = []
            for line in reader:
                if None in line or not all(line[column] for column in self.key) or not line['seed'].isdecimal():
                    raise ValueError(f'{self.path}, line {reader.line_num}, is no line of a run; correct or delete it')
                lines.append(line)
            return lines

    def keys(self) -> set[tuple[str, ...]]:
        """The runs that have lines."""
        return {self.key_of(line) for line in self.read()}

    def add(self, *lines: dict) -> None:
        """Adds lines, in place of those of the same run."""
        new = [{column: as_text(value) for column, value in line.items()} for line in lines]
        replaced = set(map(self.key_of, new))
        with locked(self.path.parent):
            lines = [line for line in self.read() if self.key_of(line) not in replaced] + new
            metrics = dict.fromkeys(column for line in lines for column in line if column not in self.columns)
            with rewritten(self.path) as draft, open(draft, 'w', newline='') as file:
                writer = csv.DictWriter(file, [*self.columns, *metrics], restval='', lineterminator='\n')
                writer.writeheader()
                writer.writerows(lines)

    def key_of(self, line: dict[str, str]) -> tuple[str, ...]:
        return tuple(str(line[column]) for column in self.key)


def curve_values(path: Path) -> RawValues:
    """The CSV of curves: one line a point."""
    return RawValues(path, ('name', 'config_hash', 'seed', 'metric', 'step', 'value'))


def newest(lines: Iterable[dict[str, str]]) -> dict[str, dict[int, dict[str, str]]]:
    """Row name -> seed -> line, of the config that each row was last asked for: others are another experiment."""
    by_name: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        by_name.setdefault(line['name'], []).append(line)
    return {
        name: {int(line['seed']): line for line in found if line['config_hash'] == found[-1]['config_hash']}
        for name, found in by_name.items()
    }


def as_text(value: object) -> str:
    """A value as a cell of the CSV."""
    if value is None:
        return ''
    return f'{value:.6g}' if isinstance(value, float) else str(value)
