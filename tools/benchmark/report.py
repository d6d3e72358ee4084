"""Results as CSV, and the table and plots that are made of it."""

import csv
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from freqfusion_mm.apis.shared_files import locked, rewritten

RESULTS = Path(__file__).resolve().parent / 'results'
FIELDS = (
    'entry',
    'kind',
    'shape',
    'pass',
    'way',
    'status',
    'median_ms',
    'iqr_ms',
    'cpu_ms',
    'extra_mib',
    'runs',
    'compile_s',
)
SCALING_FIELDS = ('what', 'value', 'pass', 'median_ms', 'iqr_ms', 'extra_mib')


def write(path: Path, fields: tuple[str, ...], rows: Iterable[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rewritten(path) as draft, draft.open('w', newline='') as file:
        writer = csv.DictWriter(file, fields, lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def update(path: Path, fields: tuple[str, ...], change: Callable[[list[dict]], list[dict]]) -> list[dict]:
    """Puts what `change` makes of the rows of a CSV in their place, and returns it; one process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        rows = change(read(path))
        write(path, fields, rows)
    return rows


def merged(old: list[dict], new: list[dict], order: list[str]) -> list[dict]:
    """New rows in the place of the old ones of their entries, in the order of the entries; others, as presets and
    upsamplers of one's own, come last.
    """
    measured = {row['entry'] for row in new}
    rows = [row for row in old if row['entry'] not in measured] + new
    places = {name: place for place, name in enumerate(order)}
    return sorted(rows, key=lambda row: places.get(row['entry'], len(places)))


def _groups(rows: list[dict]) -> dict[tuple[str, str], dict[str, dict]]:
    groups: dict[tuple[str, str], dict[str, dict]] = {}
    for row in rows:
        groups.setdefault((row['entry'], row['pass']), {})[row['way']] = row
    return groups


def _time(row: dict | None) -> str:
    if row is None:
        return ''
    return f'{float(row["median_ms"]):.3g} ({float(row["iqr_ms"]):.2g})' if row['status'] == 'ok' else row['status']


def ratio(ways: dict[str, dict], of: str, to: str, field: str = 'median_ms') -> float | None:
    """A field of one way over that of another, where both are measured."""
    values = [ways.get(way, {}).get(field, '') for way in (of, to)]
    return float(values[0]) / float(values[1]) if all(values) and float(values[1]) > 0 else None


def _times(value: float | None) -> str:
    return '' if value is None else f'{value:.2g}x'


def table(rows: list[dict], environment: str) -> str:
    lines = [
        f'# {environment}',
        '',
        'Milliseconds, median (interquartile range) of interleaved runs in one process. "Faster": unfold formulation, '
        'or mmcv, over ours; below 1 is a loss. "Compiled": ours under `torch.compile(fullgraph=True)`, without the '
        'compilation; "than eager": ours over it. "Over a copy": ours over a copy of the bytes that must at least be '
        'moved, the memory limit. "Memory": peak beyond inputs and parameters, MiB, and that of unfold over ours.',
        '',
        '| entry | pass | ours | unfold | faster | compiled | than eager | mmcv | faster | copy | over a copy '
        '| memory, ours | unfold | less |',
        '|' + ' --- |' * 14,
    ]
    for (entry, passes), ways in _groups(rows).items():
        memory = [ways.get(way, {}).get('extra_mib', '') for way in ('ours', 'unfold')]
        cells = [
            entry,
            passes,
            _time(ways.get('ours')),
            _time(ways.get('unfold')),
            _times(ratio(ways, 'unfold', 'ours')),
            _time(ways.get('compiled')),
            _times(ratio(ways, 'ours', 'compiled')),
            _time(ways.get('mmcv')),
            _times(ratio(ways, 'mmcv', 'ours')),
            _time(ways.get('copy')),
            _times(ratio(ways, 'ours', 'copy')),
            *(value and f'{float(value):.3g}' for value in memory),
            _times(ratio(ways, 'unfold', 'ours', 'extra_mib')),
        ]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def plot(rows: list[dict], environment: str, path: Path) -> None:
    """Speed-up and memory saving of every entry over the unfold formulation, losses left of 1."""
    from matplotlib.figure import Figure

    groups = {key: ways for key, ways in _groups(rows).items() if ratio(ways, 'unfold', 'ours')}
    names = [f'{entry}, {passes}' for entry, passes in groups]
    figure = Figure(figsize=(9, 1.5 + 0.3 * len(names)), layout='constrained')
    axes = figure.subplots(1, 2, sharey=True)
    for ax, field, title in zip(axes, ('median_ms', 'extra_mib'), ('times faster than unfold', 'times less memory')):
        values = [ratio(ways, 'unfold', 'ours', field) or 1 for ways in groups.values()]
        ax.barh(names, values, color=['tab:green' if value >= 1 else 'tab:red' for value in values])
        ax.axvline(1, color='black', linewidth=1)
        ax.set(xscale='log', xlabel=title)
        ax.grid(axis='x', alpha=0.3)
    axes[0].invert_yaxis()
    figure.suptitle(environment)
    figure.savefig(path, dpi=100)


def plot_scaling(rows: list[dict], trades: Collection[str], environment: str, path: Path) -> None:
    """Time and memory of FreqFusion against what grows, where the dotted line is proportional growth; and of `trades`
    memory against time.
    """
    from matplotlib.figure import Figure

    curves: dict[str, dict[str, list[dict]]] = {}
    for row in rows:
        curves.setdefault(row['what'], {}).setdefault(row['pass'], []).append(row)
    growing = [what for what in curves if what not in trades]
    traded = [what for what in curves if what in trades]
    columns = len(growing) + -(-len(traded) // 2)
    figure = Figure(figsize=(3 * columns, 6), layout='constrained')
    axes = figure.subplots(2, columns, squeeze=False)
    for column, what in zip(axes.T, growing):
        for ax, (field, label) in zip(column, (('median_ms', 'ms'), ('extra_mib', 'extra MiB'))):
            for passes, steps in curves[what].items():
                points = [(float(row['value']), float(row[field])) for row in steps]
                ax.plot(*zip(*points), marker='o', label=passes)
            (x0, y0), (x1, _) = points[0], points[-1]
            ax.plot([x0, x1], [y0, y0 * x1 / x0], ':', color='grey', label='proportional')
            values = [x for x, _ in points]
            ax.set(xscale='log', yscale='log', xlabel=what, ylabel=label)
            ax.set_xticks(values, [f'{x:g}' for x in values])
            ax.minorticks_off()
    free = list(axes[:, len(growing) :].T.flat)
    for ax, what in zip(free, traded):
        for passes, steps in curves[what].items():
            points = [(float(row['median_ms']), float(row['extra_mib'])) for row in steps]
            ax.plot(*zip(*points), marker='o', label=passes)
            for row, point in zip(steps, points):
                ax.annotate(f'{float(row["value"]):g}', point, (4, 4), textcoords='offset points')
        ax.margins(0.15)
        ax.set(title=what, xlabel='ms', ylabel='extra MiB', xlim=(0, None), ylim=(0, None))
    for ax in free[len(traded) :]:
        ax.axis('off')
    axes[0, 0].legend(loc='upper left', fontsize='small')
    figure.suptitle(f'FreqFusion, {environment}')
    figure.savefig(path, dpi=100)
