#!/usr/bin/env python
"""Trains and tests the models of a metafile one after another, and writes their metrics into it.

python tools/run_table.py configs/shapes/metafile.yml [--seeds 0 1] [--only NAME ...]
"""

import json
import platform
import statistics
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from time import monotonic

import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
#: Name in a metafile -> key in a framework's log, and what makes it a percentage.
METRICS = {
    'mIoU': ('mIoU', 1),
    'mAcc': ('mAcc', 1),
    'box AP': ('coco/bbox_mAP', 100),
    'mask AP': ('coco/segm_mAP', 100),
    'PQ': ('panoptic/PQ', 1),
    'SQ': ('panoptic/SQ', 1),
    'RQ': ('panoptic/RQ', 1),
    'top-1': ('accuracy/top1', 1),
    'corrupted mIoU': ('corrupted mIoU', 1),
    'corrupted top-1': ('corrupted top-1', 1),
    'shift consistency': ('shift consistency', 1),
}
#: Those that tools/robustness.py measures, where a model's row has them.
ROBUSTNESS = ('corrupted mIoU', 'corrupted top-1', 'shift consistency')


def parse_args():
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('metafile', help='a metafile.yml; metrics of the same seeds are replaced in it')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--only', nargs='+', help='names of the models to run; default: all')
    parser.add_argument('--work-dir', default='work_dirs', help='one folder a model and seed is made in it')
    return parser.parse_args()


def run(config: str, seed: int, work_dir: Path, robustness: bool) -> tuple[dict[str, float], int]:
    """Train and test one model: its metrics by their log keys, and the seconds that training took.

    With `robustness` it is tested on corrupted and on shifted images, too.
    """
    train = [sys.executable, 'tools/train.py', config, '--work-dir', str(work_dir)]
    began = monotonic()
    subprocess.run([*train, '--cfg-options', f'randomness.seed={seed}'], cwd=ROOT, check=True)
    seconds = round(monotonic() - began)
    checkpoint = (ROOT / work_dir / 'last_checkpoint').read_text().strip()
    test_dir = work_dir / 'test'
    subprocess.run(
        [sys.executable, 'tools/test.py', config, checkpoint, '--work-dir', str(test_dir)], cwd=ROOT, check=True
    )
    log = max((ROOT / test_dir).glob('*/*.json'))  # folders and files are named by time
    metrics = json.loads(log.read_text().splitlines()[-1])
    if robustness:
        out = ROOT / work_dir / 'robustness'
        subprocess.run(
            [sys.executable, 'tools/robustness.py', '--model', config, checkpoint, '--out', str(out)],
            cwd=ROOT,
            check=True,
        )
        [summary] = json.loads((out / 'summary.json').read_text()).values()
        metrics.update(summary)
    return metrics, seconds


def wants_robustness(model: dict) -> bool:
    """Has a row of this model a metric of tools/robustness.py?"""
    return any(metric in ROBUSTNESS for result in model['Results'] for metric in result['Metrics'])


def record(metafile: Path, name: str, log: dict[str, float], seed: int, seconds: int) -> None:
    """Write one run of the model `name` into the metafile, beside those of other seeds."""
    meta = yaml.safe_load(metafile.read_text())  # anew: a run takes minutes, and the file may have changed
    model = next(model for model in meta['Models'] if model['Name'] == name)
    for result in model['Results']:
        runs = result.get('Runs', {})
        runs[seed] = {metric: round(log[METRICS[metric][0]] * METRICS[metric][1], 2) for metric in result['Metrics']}
        result['Runs'] = dict(sorted(runs.items()))
        result['Metrics'] = {
            metric: round(statistics.mean(values[metric] for values in runs.values()), 2)
            for metric in result['Metrics']
        }
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], cwd=ROOT, capture_output=True, text=True)
    model['Metadata'].update(
        {
            'Training Resources': _hardware(),
            'Training Seconds': seconds,
            'Commit': commit.stdout.strip(),
            'Torch': str(torch.__version__),
        }
    )
    metafile.write_text(yaml.safe_dump(meta, sort_keys=False, width=120))


def _hardware() -> str:
    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()}x {torch.cuda.get_device_name()}'
    return f'{torch.get_num_threads()} CPU threads ({platform.machine()})'


def main() -> None:
    args = parse_args()
    metafile = Path(args.metafile)
    models = yaml.safe_load(metafile.read_text())['Models']
    names = [model['Name'] for model in models]
    unknown = sorted(set(args.only or []) - set(names))
    if unknown:
        raise SystemExit(f'error: {metafile} has no model {", ".join(unknown)}; it has {", ".join(names)}')
    for seed in args.seeds:
        for model in models:
            if args.only and model['Name'] not in args.only:
                continue
            work_dir = Path(args.work_dir) / f'{model["Name"]}_seed{seed}'
            log, seconds = run(model['Config'], seed, work_dir, wants_robustness(model))
            record(metafile, model['Name'], log, seed, seconds)


if __name__ == '__main__':
    main()
