"""The pictures of a study: a box with its points a row, and the curves of training and validation.

A row without a finished run is left out; the others keep their colours when it comes.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .pages import values_by_seed
from .raw_values import RawValues, curve_values, newest
from .study import Metric, Study


def draw(study: Study) -> list[Path]:
    """Draws `results.png` and `curves.png` beside a study.

    Raises:
        ValueError: no run of the study has been finished.
    """
    lines = newest(RawValues(study.raw_values).read())
    shown = {
        (line['name'], line['config_hash'], line['seed']) for by_seed in lines.values() for line in by_seed.values()
    }
    curves = curve_values(study.curves)
    points = [point for point in curves.read() if curves.key_of(point) in shown]
    if not lines or not points:
        raise ValueError(
            f'{study.path} wants finished runs to draw, but {study.raw_values.name} or {study.curves.name} has none; '
            f'run it first: results run {study.path}'
        )
    pictures = [study.path.with_name('results.png'), study.path.with_name('curves.png')]
    run = [row.name for row in study.rows if row.name in lines]
    values = {metric: {name: values_by_seed(lines[name], metric.key) for name in run} for metric in study.metrics}
    _draw_values(values, pictures[0])
    _draw_curves(study, points, pictures[1])
    return pictures


def _panels(count: int, size: tuple[float, float], **shared: bool) -> tuple[Figure, list[Axes]]:
    """So many panels of this size (inches), two or three beside each other."""
    columns = 2 if count == 4 else min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    for axis in axes.flat[count:]:
        axis.remove()
    return figure, list(axes.flat[:count])


def _draw_values(values: dict[Metric, dict[str, dict[int, float]]], out: Path) -> None:
    """One panel a metric: a box over the seeds of each row, every seed a point."""
    rows = max(map(len, values.values()))
    figure, axes = _panels(len(values), (5, 0.3 * rows + 1), sharey=True)
    for axis, (metric, by_row) in zip(axes, values.items()):
        measured = [list(by_seed.values()) for by_seed in by_row.values()]
        axis.boxplot(measured, orientation='horizontal', widths=0.6, showfliers=False, medianprops={'color': 'C1'})
        for place, points in enumerate(measured, 1):
            axis.plot(points, [place] * len(points), 'o', color='C0', markersize=4, alpha=0.8)
        axis.set_yticks(range(1, len(by_row) + 1), list(by_row), fontsize=8)
        axis.set_xlabel(f'{metric.label} ({"higher" if metric.higher_is_better else "lower"} is better)')
        axis.grid(axis='x', alpha=0.3)
    axes[0].invert_yaxis()  # the first row on top; shared by all panels
    figure.savefig(out, dpi=120)


def _draw_curves(study: Study, points: list[dict[str, str]], out: Path) -> None:
    """The training loss, and each metric of validation: the mean of a row's seeds, and each seed thinly.

    What was measured once a run, after its end, is no curve and is left to the boxes.
    """
    curves: dict[str, dict[str, dict[str, list[tuple[int, float]]]]] = {}
    for point in points:
        by_seed = curves.setdefault(point['metric'], {}).setdefault(point['name'], {})
        by_seed.setdefault(point['seed'], []).append((int(point['step']), float(point['value'])))
    curves = {
        metric: by_row
        for metric, by_row in curves.items()
        if any(len(curve) > 1 for by_seed in by_row.values() for curve in by_seed.values())
    }
    names = [row.name for row in study.rows]
    figure, axes = _panels(len(curves), (5, 4))
    for axis, (metric, by_row) in zip(axes, sorted(curves.items())):
        for number, name in enumerate(names):
            if name in by_row:
                _draw_row(axis, by_row[name], name, number)
        axis.set_title(metric, fontsize=10)
        axis.set_xlabel('iteration')
        axis.grid(alpha=0.3)
    axes[0].set_yscale('log')  # 'train/loss' sorts before 'val/...'
    # inches of a handle and of the letters: a legend that is wider than its figure is cut off at both sides
    fitting = int(figure.get_figwidth() / (0.7 + 0.07 * max(map(len, names))))
    columns = max(1, min(4, fitting))
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8, loc='outside lower center', ncols=columns)
    figure.savefig(out, dpi=120)


def _draw_row(axis: Axes, by_seed: dict[str, list[tuple[int, float]]], name: str, number: int) -> None:
    style = {'color': f'C{number % 10}', 'linestyle': ('-', '--', ':', '-.')[number // 10 % 4]}
    at_step: dict[int, list[float]] = {}
    for curve in by_seed.values():
        axis.plot(*zip(*curve), linewidth=0.5, alpha=0.4, **style)
        for step, value in curve:
            at_step.setdefault(step, []).append(value)
    means = [(step, sum(values) / len(values)) for step, values in sorted(at_step.items())]
    axis.plot(*zip(*means), linewidth=1.5, label=name, **style)
