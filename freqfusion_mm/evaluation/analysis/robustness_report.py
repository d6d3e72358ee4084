"""The numbers of a robustness run, and their tables."""

import csv
import json
from pathlib import Path
from statistics import mean


class Results:
    """Every number: (model, kind of change, its name, its strength) -> percent. Clean images: ('clean', '', 0)."""

    def __init__(self, titles: list[str], metric: str) -> None:
        self.titles = titles
        self.metric = metric
        self.values: dict[tuple[str, str, str, int], float] = {}

    def mean(self, title: str, kind: str, name: str | None = None, strength: int | None = None) -> float | None:
        """Over all numbers of a model and a kind, or of one change, or of one strength; None where there are none."""
        found = [
            value
            for key, value in self.values.items()
            if key[:2] == (title, kind) and name in (None, key[2]) and strength in (None, key[3])
        ]
        return mean(found) if found else None

    def summary(self) -> dict[str, dict[str, float]]:
        """Title -> the three numbers that stand for a model, by the names that a metafile gives them."""
        rows = {}
        for title in self.titles:
            row = {
                self.metric: self.mean(title, 'clean'),
                f'corrupted {self.metric}': self.mean(title, 'corruption'),
                'shift consistency': self.mean(title, 'shift'),
            }
            rows[title] = {name: round(value, 2) for name, value in row.items() if value is not None}
        return rows

    def names(self, kind: str) -> list:
        """What a table of this kind has rows for: the corruptions, or the distances, shortest first."""
        if kind == 'shift':
            return sorted({key[3] for key in self.values if key[1] == kind})
        return list(dict.fromkeys(key[2] for key in self.values if key[1] == kind))

    def column(self, title: str, kind: str) -> list[float]:
        """One value for each of `names(kind)`."""
        return [
            self.mean(title, kind, name=name) if kind == 'corruption' else self.mean(title, kind, strength=name)
            for name in self.names(kind)
        ]


def markdown(results: Results, severities: list[int]) -> str:
    """All tables, numbers in percent."""
    summary = results.summary()
    heads = list(next(iter(summary.values())))
    parts = [_table(['model', *heads], [[title, *row.values()] for title, row in summary.items()])]
    of = f'{results.metric} by corruption, mean of the severities {", ".join(map(str, severities))}'
    for kind, caption, head in (
        ('corruption', of, 'corruption'),
        ('shift', 'Predictions that a shift leaves as they are', 'pixels'),
    ):
        names = results.names(kind)
        if names:
            columns = [results.column(title, kind) for title in results.titles]
            parts.append(f'**{caption}**\n\n' + _table([head, *results.titles], list(zip(names, *columns))))
    return '\n'.join(parts)


def _table(head: list[str], rows: list) -> str:
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for name, *values in rows:
        lines.append('| ' + ' | '.join([str(name), *(f'{value:.2f}' for value in values)]) + ' |')
    return '\n'.join(lines) + '\n'


def write(results: Results, severities: list[int], out: Path) -> None:
    """Writes robustness.csv (every number), summary.json and robustness.md (tables) into a folder."""
    write_csv(results, out)
    (out / 'summary.json').write_text(json.dumps(results.summary(), indent=1) + '\n')
    (out / 'robustness.md').write_text(markdown(results, severities))


def write_csv(results: Results, out: Path) -> None:
    """Writes robustness.csv, of every number that there is, into a folder."""
    with open(out / 'robustness.csv', 'w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['model', 'measured', 'kind', 'name', 'strength', 'percent'])
        for (title, kind, name, strength), value in results.values.items():
            measured = 'consistency' if kind == 'shift' else results.metric
            table.writerow([title, measured, kind, name, strength or '', f'{value:.4f}'])
