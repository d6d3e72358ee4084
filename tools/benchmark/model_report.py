"""The table and the plot of what upsamplers cost whole models."""

from pathlib import Path

from .models import STOCK


def merged(old: list[dict], new: list[dict], order: list[str]) -> list[dict]:
    """New rows in the place of old ones of the same model, size and upsampler, in the order of the models."""
    measured = {(row['model'], row['size'], row['upsampler']) for row in new}
    rows = [row for row in old if (row['model'], row['size'], row['upsampler']) not in measured] + new
    places = {name: place for place, name in enumerate(order)}
    return sorted(
        rows, key=lambda row: (places.get(row['model'], len(places)), int(row['size']), row['upsampler'] != STOCK)
    )


def table(rows: list[dict], title: str, command: str, note: str, unmeasured: list[str]) -> str:
    """Ratios to stock, below what stock itself takes."""
    lines = [
        f'# {title}',
        '',
        f'`{command}`',
        '',
        note,
        '',
        'Ratios to the stock model: medians over rounds in which every upsampler ran once beside stock, and in '
        'brackets the quartiles, of two or three rounds the range. Batch 2. "Step": loss, gradients and an '
        'update in training; "peak": the most that a step holds beyond weights and images, "with_cp" the same with '
        'activations made again. Multiply-adds are those of the forward pass of one image.',
        '',
        '| model | size | upsampler | parameters, M | multiply-adds, G | forward | step | peak | with_cp | rounds |',
        '|' + ' --- |' * 10,
    ]
    for row in rows:
        if row['status'] != 'ok':
            cells = ['', '', row['status'], '', '', '', '']
        elif row['upsampler'] == STOCK:
            cells = [
                f'{float(row["params_m"]):.2f}',
                f'{float(row["multiply_adds_g"]):.2f}',
                f'{float(row["forward_ms"]):.0f} ms',
                f'{float(row["step_ms"]):.0f} ms',
                f'{float(row["peak_mib"]):.0f} MiB',
                '',
                row['rounds'],
            ]
        else:
            cells = [
                f'{float(row["params_m"]):.2f}',
                f'{float(row["multiply_adds_g"]):.2f}',
                *(_ratio(row, what) for what in ('forward', 'step')),
                f'{float(row["peak_ratio"]):.2f}',
                f'{float(row["recomputed_peak_ratio"]):.2f}' if row.get('recomputed_peak_ratio') else '',
                row['rounds'],
            ]
        lines.append(f'| {row["model"]} | {row["size"]} | {row["upsampler"]} | ' + ' | '.join(cells) + ' |')
    if unmeasured:
        lines += ['', f'Not run: {", ".join(unmeasured)}.']
    return '\n'.join(lines) + '\n'


def _ratio(row: dict, what: str) -> str:
    low, high = (float(row[f'{what}_{end}']) for end in ('low', 'high'))
    return f'{float(row[f"{what}_ratio"]):.2f} ({low:.2f}-{high:.2f})'


def plot(rows: list[dict], title: str, path: Path) -> None:
    """Forward and step ratio of every upsampler, a panel for each model and size."""
    from matplotlib.figure import Figure

    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        if row['status'] == 'ok' and row['upsampler'] != STOCK:
            groups.setdefault((row['model'], row['size']), []).append(row)
    if not groups:
        return
    figure = Figure(figsize=(1.5 + 4 * min(3, len(groups)), 4 * -(-len(groups) // 3)), layout='constrained')
    panels = figure.subplots(-(-len(groups) // 3), min(3, len(groups)), squeeze=False).flat
    for ((model, size), group), axes in zip(groups.items(), panels):  # the panels last: zip takes none too many
        for offset, what in ((-0.2, 'forward'), (0.2, 'step')):
            ratios = [float(row[f'{what}_ratio']) for row in group]
            ends = [[abs(r - float(row[f'{what}_{end}'])) for r, row in zip(ratios, group)] for end in ('low', 'high')]
            places = [place + offset for place in range(len(group))]
            axes.barh(places, ratios, 0.4, xerr=ends, label=what, error_kw=dict(linewidth=0.8))
        axes.set_yticks(range(len(group)), [row['upsampler'] for row in group])
        axes.invert_yaxis()
        axes.axvline(1, color='black', linewidth=1)
        axes.set(xlabel='times stock', title=f'{model}, {size}x{size}')
        axes.grid(axis='x', alpha=0.3)
        axes.legend(fontsize='small')
    for axes in panels:
        axes.axis('off')
    figure.suptitle(title)
    figure.savefig(path, dpi=100)
