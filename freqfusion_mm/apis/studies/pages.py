"""The generated tables of the README files.

A table stands between `<!-- begin table: FILE -->` and `<!-- end table -->`, FILE being a metafile or a study, as a
path from the repository's root; `summary` in the place of `table` is the short form of a study.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...evaluation.analysis.seed_statistics import Comparison, Sample, compare, holm, smallest_sign_p
from .metafile import link, metafile_tables
from .raw_values import RawValues, newest
from .study import ROOT, Metric, Row, Study, is_metafile, read_study

BLOCK = re.compile(r'(<!-- begin (table|summary): (\S+) -->\n).*?(<!-- end \2 -->)', re.DOTALL)
#: Where nothing was run, and where a row has no such value or too few seeds to say anything.
NOT_RUN, BLANK = 'not run', ''
Lines = dict[int, dict[str, str]]


def readmes(root: Path = ROOT) -> list[Path]:
    """The pages that may hold tables."""
    return [
        root / 'README.md',
        *(page for room in ('configs', 'projects') for page in sorted((root / room).rglob('README.md'))),
    ]


def rendered(readme: Path) -> str:
    """The text of a page with its tables made anew."""

    def fill(match: re.Match) -> str:
        file = ROOT / match[3]
        if match[2] == 'summary':
            text = study_summary(file)
        else:
            text = (metafile_tables if is_metafile(file) else study_tables)(file, readme.parent)
        return match[1] + '\n' + text + '\n' + match[4]

    return BLOCK.sub(fill, readme.read_text())


def study_tables(file: Path, folder: Path, against: str | None = None) -> str:
    """One table for every metric of a study, and a sentence on what its seeds could resolve.

    Configs, costs, chosen settings and rows that have not been run, or have no such value, stand in the first alone.

    Args:
        file: the study.
        folder: from where configs are linked.
        against: the row that the others are compared with; the study's baseline by default.

    Raises:
        ValueError: the study has no row of that name.
    """
    study = read_study(file)
    if against:
        names = [row.name for row in study.rows]
        if against not in names:
            raise ValueError(f'{file} has no row {against}; it has {", ".join(names)}')
        study = replace(study, baseline=against)
    lines = newest(RawValues(study.raw_values).read())
    first, *others = study.metrics
    tables = [_table(study, first, lines, study.rows, folder)]
    for metric in others:
        measured = [row for row in study.rows if values_by_seed(lines.get(row.name, {}), metric.key)]
        tables += [_table(study, metric, lines, measured)] if measured else []
    left_out = [
        f'{row.name}, seed {seed}: {line["unreadable"]}'
        for row in study.rows
        for seed, line in lines.get(row.name, {}).items()
        if line.get('unreadable')
    ]
    if left_out:
        tables.append(f'Images that could not be read were left out of these runs: {"; ".join(left_out)}.\n')
    return '\n'.join(tables)


def study_summary(file: Path) -> str:
    """The table of the first metric alone, of the rows that all seeds have been run of, without configs, costs and p
    values.
    """
    study = read_study(file)
    lines = newest(RawValues(study.raw_values).read())
    whole = [row for row in study.rows if lines.get(row.name, {}).keys() >= set(study.seeds)]
    if not whole:
        return f'{study.name}: no row has been run with all seeds.\n'
    return _table(study, study.metrics[0], lines, whole, short=True)


def _table(
    study: Study,
    metric: Metric,
    lines: dict[str, Lines],
    rows: Sequence[Row],
    folder: Path | None = None,
    *,
    short: bool = False,
) -> str:
    values = {row.name: values_by_seed(lines.get(row.name, {}), metric.key) for row in study.rows}
    against = {
        row.name: compare(values[row.name], values[study.baseline], metric.higher_is_better)
        for row in study.rows
        if study.baseline not in (None, row.name)
        and (folder or values[study.baseline])  # what only learned upsamplers have is not compared
    }
    compared = {name: one for name, one in against.items() if one}
    t = _corrected({name: one.t for name, one in compared.items()})
    sign = _corrected({name: one.sign for name, one in compared.items()})
    head = [study.name if short else 'row', *(_cost_names(study) if folder else [])]
    head += [f'{metric.label}, mean (seeds)']
    head += [f'better than {study.baseline} by', 'seeds better', 'p, t test', 'p, sign test'] if against else []
    body = []
    for row in rows:
        cells = [row.name]
        if folder:
            cells = [link(row.name, row.config, folder), *_costs(study, lines.get(row.name, {}))]
        found = values[row.name]
        if found:
            cells += [f'{Sample(tuple(found.values())).text(metric.digits)} ({len(found)})']
        else:
            cells += [BLANK if row.name in lines else NOT_RUN]
        if against:
            cells += _comparison(compared.get(row.name), t.get(row.name), sign.get(row.name), metric.digits)
        body.append(cells)
    way = 'higher' if metric.higher_is_better else 'lower'
    text = [] if short else [f'**{study.name}: {metric.label}** ({way} is better)', '']
    columns = len(head) - 2 * (short and bool(against))  # without the p values
    text += ['| ' + ' | '.join(cells[:columns]) + ' |' for cells in (head, ['---'] * columns, *body)]
    if against and not short:
        text += ['', _resolved(metric, {name: compared[name].difference for name in t}, whole=bool(folder))]
    return '\n'.join(text) + '\n'


def values_by_seed(lines: Lines, key: str) -> dict[int, float]:
    """Seed -> value of a metric, of the runs that have it."""
    return {seed: float(line[key]) for seed, line in lines.items() if line.get(key)}


def _cost_names(study: Study) -> list[str]:
    settings = {row.choose.key.rsplit('.', 1)[-1] for row in study.rows if row.choose}
    names = ['parameters (M)', *(['multiply-adds (G)'] if study.flops_shape else [])]
    return names + ([f'{", ".join(sorted(settings))}, chosen'] if settings else [])


def _costs(study: Study, lines: Lines) -> list[str]:
    line = next(iter(lines.values()), {})
    cells = [_scaled(line.get('parameters'), 1e6)]
    cells += [_scaled(line.get('flops'), 1e9)] if study.flops_shape else []
    return cells + ([line.get('choice', BLANK)] if any(row.choose for row in study.rows) else [])


def _scaled(text: str | None, unit: float) -> str:
    return f'{float(text) / unit:.3f}' if text else NOT_RUN


def _corrected(p_values: dict[str, float | None]) -> dict[str, float]:
    """By Holm, those that there are."""
    tested = {name: p for name, p in p_values.items() if p is not None}
    return dict(zip(tested, holm(list(tested.values()))))


def _comparison(one: Comparison | None, t: float | None, sign: float | None, digits: int) -> list[str]:
    interval = one.difference.interval if one else None
    if interval is None:  # of one seed, it says nothing
        return [BLANK] * 4
    low, high = (f'{end:+.{digits}f}' for end in interval)
    difference = f'{one.difference.mean:+.{digits}f}'
    if math.isnan(one.difference.mean):  # a run diverged
        difference = BLANK
    elif t is not None:
        difference += f' [{low}, {high}]'
    wins = f'{one.wins} of {len(one.difference.values)}'
    return [difference, wins, _p(t), _p(sign)]


def _p(value: float | None) -> str:
    if value is None:
        return BLANK
    return f'{value:.3f}' if value >= 0.001 else '< 0.001'


def _resolved(metric: Metric, differences: dict[str, Sample], whole: bool) -> str:
    """What the seeds could tell from zero, row by row: they differ in their spread and may differ in number."""
    if not differences:
        return (
            'No row has two seeds that its baseline has, too, none of them diverged, whose differences vary: no '
            f'difference in {metric.label} can be told from chance.'
        )
    ordered = sorted(differences, key=lambda name: differences[name].half_width)
    ends = [f'{differences[name].half_width:.{metric.digits}f} ({name})' for name in ordered]
    resolved = ' to '.join(dict.fromkeys((ends[0], ends[-1])))
    told = f'difference in {metric.label} below {resolved} cannot be told from zero'
    if not whole:  # what holds for all tables stands below the first
        return f'A {told}.'
    signs = [
        f'{smallest_sign_p(seeds):.3g} of {seeds} seeds'
        for seeds in sorted({len(each.values) for each in differences.values()})
    ]
    return (
        f'± and brackets are 95 % t intervals, p values are corrected by Holm ({len(differences)} compared). '
        f'What a row could show is half the width of its brackets: a {told}. A sign test has, before '
        f'correction, a p of {" and ".join(signs)} at the least.'
    )
