"""What was found, as Markdown, as a plot, and in a few lines."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

PHASES = ('tests', 'check', 'benchmark', 'training')
_LONGEST = 12


def _phase(name: str) -> str:
    return name.split(' ', 1)[0]


def counts(found: dict[str, dict]) -> dict[str, Counter]:
    """How many there are of each status, by phase."""
    counted = {phase: Counter() for phase in PHASES}
    for name, each in found.items():
        counted[_phase(name)][each['status']] += 1
    return counted


def failures(found: dict[str, dict]) -> dict[str, dict]:
    return {name: each for name, each in found.items() if each['status'] == 'failed'}


def _rows(found: dict[str, dict]) -> list[dict]:
    return [row for each in found.values() for row in each.get('rows', [])]


def _trainings(found: dict[str, dict]) -> list[dict]:
    return [each['training'] for each in found.values() if 'training' in each]


def _number(value: float | None, digits: int = 3) -> str:
    return '' if value is None else f'{value:.{digits}g}'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    lines = [head, ['---'] * len(head), *rows]
    return ['| ' + ' | '.join(str(cell).replace('|', '\\|') for cell in line) + ' |' for line in lines] + ['']


def markdown(facts: dict[str, str], found: dict[str, dict]) -> str:
    """All of it on one page."""
    lines = [f'# {facts["device"]}', '', ', '.join(f'{name} {value}' for name, value in facts.items()), '']
    lines += _table(
        ('', 'passed', 'failed', 'skipped', 'not run'),
        (
            (phase, *(counted[status] for status in ('passed', 'failed', 'skipped', 'not run')))
            for phase, counted in counts(found).items()
        ),
    )
    if failed := failures(found):
        lines += ['## What failed', '']
        for name, each in failed.items():
            kernels = ', '.join(each.get('kernels', ())) or 'no kernel of ours'
            lines += [f'- **{name}** (launched: {kernels})', f'  {each["why"]}', f'  `{each.get("arguments", "")}`', '']
    if rows := _rows(found):
        lines += [
            '## Time and memory',
            '',
            'Milliseconds of one call, median (interquartile range) of interleaved runs. "Of a copy": the time of a '
            'copy of the bytes that a pass must at least read and write ("by bytes"), over the time of the pass; GB/s: '
            'those bytes over the time. "Peak": MiB beyond what is held before. Ratios above 1: ours is faster, or '
            'smaller.',
            '',
        ]
        lines += _table(
            (
                '',
                'dtype',
                'pass',
                'ours',
                'by bytes',
                'GB/s',
                'of a copy',
                'peak',
                'unfold',
                'faster',
                'less memory',
                'plain CUDA',
            )
            + ('faster', 'mmcv', 'faster'),
            _benchmark_rows(rows),
        )
    if trainings := _trainings(found):
        lines += ['## Training', '']
        lines += _table(
            ('upsampler', 'precision', 'steps', 'first loss', 'last loss', 'ms a step', 'peak MiB', 'first step, s'),
            (
                (
                    each['upsampler'],
                    each['precision'],
                    each['steps'],
                    *(_number(each[key]) for key in ('first_loss', 'last_loss', 'step_ms', 'peak_mib', 'first_step_s')),
                )
                for each in trainings
            ),
        )
    return '\n'.join(lines)


def _groups(rows: list[dict]) -> dict[tuple[str, str, str], dict[str, dict]]:
    groups: dict[tuple[str, str, str], dict[str, dict]] = {}
    for row in rows:
        groups.setdefault((row['entry'], row['dtype'], row['passes']), {})[row['way']] = row
    return groups


def ratio(ways: dict[str, dict], way: str, field: str = 'ms') -> float | None:
    """Another way's time, or another field, over ours."""
    theirs, ours = (ways.get(name, {}).get(field) for name in (way, 'ours'))
    return theirs / ours if theirs and ours else None


def _benchmark_rows(rows: list[dict]) -> Iterable[tuple[str, ...]]:
    for key, ways in _groups(rows).items():
        ours = ways['ours']
        cells = [
            *key,
            _time(ours),
            _number(ways.get('copy', {}).get('ms')),
            _number(ours.get('gb_s')),
            _number(ours.get('of_copy')),
            _number(ours.get('peak_mib')),
        ]
        cells += [_time(ways.get('unfold')), _number(ratio(ways, 'unfold')), _number(ratio(ways, 'unfold', 'peak_mib'))]
        for way in ('plain cuda', 'mmcv'):
            cells += [_time(ways.get(way)), _number(ratio(ways, way))]
        yield tuple(cells)


def _time(row: dict | None) -> str:
    if row is None:
        return ''
    return f'{_number(row["ms"])} ({_number(row["iqr_ms"], 2)})' if 'ms' in row else row['status'][:60]


def plot(facts: dict[str, str], found: dict[str, dict], path: Path) -> bool:
    """How much faster than unfold, and how near to a copy; whether there was anything to draw."""
    from matplotlib.figure import Figure

    groups = {', '.join(key): ways for key, ways in _groups(_rows(found)).items() if 'ms' in ways['ours']}
    if not groups:
        return False
    figure = Figure(figsize=(11, 1.5 + 0.28 * len(groups)), layout='constrained')
    faster, near = figure.subplots(1, 2, sharey=True)
    values = [ratio(ways, 'unfold') or float('nan') for ways in groups.values()]
    faster.barh(list(groups), values, color=['tab:green' if value >= 1 else 'tab:red' for value in values])
    faster.axvline(1, color='black', linewidth=1)
    faster.set(xscale='log', xlabel='times faster than unfold')
    near.barh(list(groups), [ways['ours']['of_copy'] for ways in groups.values()], color='tab:blue')
    near.axvline(0.6, color='black', linewidth=1, linestyle=':')
    near.set(xlabel='time of a copy of the bytes, over ours')
    faster.invert_yaxis()
    for axes in (faster, near):
        axes.grid(axis='x', alpha=0.3)
    figure.suptitle(f'{facts["device"]}, torch {facts["torch"]}')
    figure.savefig(path, dpi=100)
    return True


def summary(facts: dict[str, str], found: dict[str, dict], seconds: float) -> str:
    """The last lines that the program prints."""
    lines = [f'{facts["device"]}, torch {facts["torch"]}, triton {facts["triton"]}: {seconds:.0f} s']
    for phase, counted in counts(found).items():
        lines.append(f'  {phase:10} ' + (', '.join(f'{n} {status}' for status, n in counted.items()) or 'none'))
    failed = failures(found)
    for name, each in list(failed.items())[:_LONGEST]:
        lines.append(f'  FAILED {name}: {each["why"][:160]}')
    if len(failed) > _LONGEST:
        lines.append(f'  ... and {len(failed) - _LONGEST} more')
    for (entry, dtype, passes), ways in _groups(_rows(found)).items():
        if entry in ('FreqFusion', 'carafe x2 k5') and passes == 'forward+backward' and 'ms' in ways['ours']:
            times, less = ratio(ways, 'unfold'), ratio(ways, 'unfold', 'peak_mib')
            lines.append(
                f'  {entry}, {dtype}, {passes}: {ways["ours"]["ms"]:.3g} ms, {_number(times) or "?"} times faster than '
                f'unfold, {_number(less) or "?"} times less memory, {ways["ours"]["of_copy"]:.0%} of a copy'
            )
    return '\n'.join(lines)
