"""Tables of feature similarities: markdown for the screen, CSV with every class."""

import csv
from pathlib import Path

from .feature_similarity import FeatureSimilarity

METRICS = ('IntraSim', 'InterSim', 'SimMargin', 'SimAcc', 'mSimAcc')
Measured = dict[tuple[str, str], FeatureSimilarity]  # (layer, region) -> its measures


def write_csv(results: dict[str, tuple[Measured, list[str]]], out: Path) -> None:
    """One row for each model, layer and region over all classes, and one for each class."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, 'w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['model', 'layer', 'region', 'class', 'pixels', *METRICS])
        for title, (measured, classes) in results.items():
            for (layer, region), similarity in measured.items():
                rows = {'all': similarity.compute()}
                columns = similarity.per_class()
                rows |= {
                    name: {key: values[i].item() for key, values in columns.items()} for i, name in enumerate(classes)
                }
                for name, row in rows.items():
                    numbers = [f'{row[metric]:.6f}' if metric in row else '' for metric in METRICS]
                    table.writerow([title, layer, region, name, int(row['pixels']), *numbers])


def markdown(results: dict[str, tuple[Measured, list[str]]]) -> str:
    """A row for each model, layer and region, over all classes."""
    head = ['model', 'layer', 'region', *METRICS]
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    for title, (measured, _) in results.items():
        for place, similarity in measured.items():
            values = similarity.compute()
            lines.append('| ' + ' | '.join([title, *place, *(f'{values[metric]:.3f}' for metric in METRICS)]) + ' |')
    return '\n'.join(lines)
