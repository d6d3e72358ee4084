"""The table of the zoo: what was found, reached, equal, and trained, by stock module."""

from collections.abc import Iterable, Mapping

FIELDS = ('scope', 'config', 'place', 'stock', 'ours', 'architecture', 'equal', 'trains')


def markdown(rows: Iterable[Mapping[str, str]]) -> str:
    """The counts of a CSV's rows, one line a stock module and the reasons below.

    A feature is a stock module in a config, however often the config repeats it (the three mask heads of a cascade).
    """
    features: dict[tuple[str, str, str], list[Mapping[str, str]]] = {}
    plain = {'nothing upsampled': 0, 'unread': 0}
    for row in rows:
        if row['stock']:
            features.setdefault((row['scope'], row['stock'], row['config']), []).append(row)
        else:
            plain['unread' if row['equal'] else 'nothing upsampled'] += 1
    stocks: dict[tuple[str, str], list[list[Mapping[str, str]]]] = {}
    for (scope, stock, _), found in features.items():
        stocks.setdefault((scope, stock), []).append(found)
    lines = [
        '| stock module | ours | configs | architectures | equal to stock | trains a step |',
        '| --- | --- | ---: | ---: | ---: | ---: |',
    ]
    reasons: dict[str, int] = {}
    totals = [0, 0, 0]
    stepped = any(row['trains'] for found in features.values() for row in found)  # where a step was asked for
    for (scope, stock), configs in sorted(stocks.items(), key=lambda item: (-len(item[1]), item[0])):
        ours = configs[0][0]['ours']
        architectures = {row['architecture'] for found in configs for row in found} - {''}  # never built: no twin
        equal, trains = (
            sum(all(row[field] == 'yes' for row in found) for found in configs) for field in ('equal', 'trains')
        )
        totals = [total + count for total, count in zip(totals, (len(configs), equal, trains))]
        counts = f'{len(configs)} | {len(architectures)} | {equal} | {trains if stepped else ""}'
        lines.append(f'| {scope} {stock} | {ours or "-"} | {counts} |')
        for found in configs:
            said = {row[field] for row in found for field in ('equal', 'trains')} - {'yes', ''}
            if said:
                text = f'{scope} {stock}: {"; ".join(sorted(said))}'
                reasons[text] = reasons.get(text, 0) + 1
    lines.append(f'| all | | {totals[0]} | | {totals[1]} | {totals[2] if stepped else ""} |')
    share = 100 * totals[1] / max(totals[0], 1)
    lines += [
        '',
        f'{totals[1]} of {totals[0]} features ({share:.1f} %) take the line and equal stock. '
        f'{plain["nothing upsampled"]} configs upsample no features (or logits alone); {plain["unread"]} could not be '
        'read.',
    ]
    if reasons:
        lines += ['', '| what does not, and why | configs |', '| --- | ---: |']
        lines += [
            f'| {_cell(text)} | {count} |'
            for text, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ]
    return '\n'.join(lines) + '\n'


def _cell(text: str) -> str:
    return text.replace('|', '\\|')
