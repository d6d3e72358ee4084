#!/usr/bin/env python
"""Writes the result tables of the README files from the metafiles: python tools/tables.py [--check]

A table stands between `<!-- begin table: METAFILE -->` and `<!-- end table -->`, METAFILE being a path from the
repository's root. A number that nobody has measured is null in the metafile and "not run" in the table. Several seeds
stand there as `55.9 ± 0.4 (2)`: their mean, half the distance between the best and the worst, and how many they are.
"""

import re
from argparse import ArgumentParser
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'(<!-- begin table: (\S+) -->\n).*?(<!-- end table -->)', re.DOTALL)


def readmes() -> list[Path]:
    return [ROOT / 'README.md', *sorted(ROOT.glob('configs/*/README.md')), *sorted(ROOT.glob('projects/*/README.md'))]


def number(value: float | None) -> str:
    return 'not run' if value is None else f'{value:g}'


def measured(name: str, result: dict) -> str:
    """Our value; where there are several seeds, their mean, half their range, and how many they are."""
    runs = [values[name] for values in result.get('Runs', {}).values() if name in values]
    value = number(result['Metrics'].get(name))
    return f'{value} ± {round((max(runs) - min(runs)) / 2, 2):g} ({len(runs)})' if len(runs) > 1 else value


def tables(metafile: Path, folder: Path) -> str:
    """One table for every task and data set of a metafile; links are relative to `folder`."""
    groups: dict[tuple, list[tuple[dict, dict]]] = {}
    for model in yaml.safe_load(metafile.read_text())['Models']:
        for result in model['Results']:
            groups.setdefault((result['Task'], result['Dataset']), []).append((model, result))
    return '\n'.join(table(task, dataset, rows, folder) for (task, dataset), rows in groups.items())


def table(task: str, dataset: str, rows: list[tuple[dict, dict]], folder: Path) -> str:
    names = list(dict.fromkeys(name for _, result in rows for name in result['Metrics']))
    published = any(result.get('Published') for _, result in rows)
    head = ['config', 'parameters (M)', *(f'{name}, published' for name in names if published), *names]
    if published:
        head[-len(names) :] = [f'{name}, ours' for name in names]
    lines = [f'**{task}, {dataset}**', '', '| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for model, result in rows:
        link = Path(*['..'] * len(folder.relative_to(ROOT).parts), model['Config']).as_posix()
        cells = [f'[{model["Name"]}]({link})', number(model['Metadata'].get('Parameters (M)'))]
        if published:
            values = result.get('Published') or {}
            cells += [f'{values[name]:g}' if values.get(name) is not None else 'unknown' for name in names]
        cells += [measured(name, result) for name in names]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def rendered(readme: Path) -> str:
    """The text of a README with its tables made anew."""

    def fill(match: re.Match) -> str:
        return match[1] + '\n' + tables(ROOT / match[2], readme.parent) + '\n' + match[3]

    return BLOCK.sub(fill, readme.read_text())


def main() -> None:
    parser = ArgumentParser(description='Write the result tables of the README files from the metafiles.')
    parser.add_argument('--check', action='store_true', help='write nothing; fail where a table is out of date')
    args = parser.parse_args()
    stale = [readme for readme in readmes() if rendered(readme) != readme.read_text()]
    if args.check and stale:
        names = ', '.join(str(readme.relative_to(ROOT)) for readme in stale)
        raise SystemExit(f'error: out of date: {names}; run python tools/tables.py')
    for readme in stale:
        readme.write_text(rendered(readme))
        print(f'written: {readme.relative_to(ROOT)}')


if __name__ == '__main__':
    main()
