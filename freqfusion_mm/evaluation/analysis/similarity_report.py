"""Tables of feature similarities: markdown for the screen, CSV with every class."""

import csv
from pathlib import Path

from .feature_similarity import FeatureSimilarity
from .seed_statistics import Sample

METRICS = ('IntraSim', 'InterSim', 'SimMargin', 'SimAcc', 'mSimAcc')
Measured = dict[tuple[str, str], FeatureSimilarity]  # (layer, region) -> its measures
Results = list[tuple[str, Measured, list[str]]]  # of each model: title, measures, names of the classes


def write_csv(results: Results, out: Path) -> None:
    """One row for each model, layer and region over all classes, and one for each class."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, 'w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['model', 'layer', 'region', 'class', 'pixels', *METRICS])
        for title, measured, classes in results:
            for (layer, region), similarity in measured.items():
                rows = {'all': similarity.compute()}
                columns = similarity.per_class()
                rows |= {
                    name: {key: values[i].item() for key, values in columns.items()} for i, name in enumerate(classes)
                }
                for name, row in rows.items():
                    numbers = [f'{row[metric]:.6f}' if metric in row else '' for metric in METRICS]
                    table.writerow([title, layer, region, name, int(row['pixels']), *numbers])


def markdown(results: Results) -> str:
    """A row for each title, layer and region, over all classes.

    Of several models of one title: how many they are, the mean, and half its 95 % t interval.
    """
    head = ['model', 'layer', 'region', *METRICS]
    lines = ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    runs: dict[tuple[str, ...], list[dict[str, float]]] = {}
    for title, measured, _ in results:
        for place, similarity in measured.items():
            runs.setdefault((title, *place), []).append(similarity.compute())
    for (title, *place), values in runs.items():
        name = f'{title} ({len(values)})' if len(values) > 1 else title
        cells = [Sample(tuple(each[metric] for each in values)).text(3) for metric in METRICS]
        lines.append('| ' + ' | '.join([name, *place, *cells]) + ' |')
    return '\n'.join(lines)
