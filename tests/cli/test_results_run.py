"""`results run` as a user starts it: a study and a metafile of a one-convolution model, through mmengine's runner."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

pytest.importorskip('mmengine', reason='runs are those of mmengine')
pytest.importorskip('mmcv', reason='a run registers every name')

from freqfusion_mm.apis.studies import worker  # noqa: E402
from freqfusion_mm.apis.studies.jobs import Job  # noqa: E402
from freqfusion_mm.apis.studies.metafile import read_models  # noqa: E402
from freqfusion_mm.cli.results import main  # noqa: E402
from freqfusion_mm.ops.library import CAN_REGISTER  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
#: The model learns a weight; one of its metrics is that weight, so that a test can tell which one was tested.
TOY = """
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS

@DATASETS.register_module()
class ToyData(torch.utils.data.Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return torch.full((1, 2, 2), index + 1.0)

@MODELS.register_module()
class ToyModel(BaseModel):
    def __init__(self, breaks=False):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 1, bias=False)
        self.breaks = breaks
    def forward(self, inputs, mode='tensor'):
        out = self.conv(inputs if torch.is_tensor(inputs) else torch.stack(inputs))
        if mode == 'loss':
            if self.breaks:
                raise ArithmeticError('no loss today')
            return {'loss': (out - 1).square().mean()}
        return [self.conv.weight.item()] if mode == 'predict' else out

@METRICS.register_module()
class Weight(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += data_samples
    def compute_metrics(self, results):
        return {'weight': results[-1], 'said': 'text'}
"""
CONFIG = """
custom_imports = dict(imports=['toy_of_results'], allow_failed_imports=False)
default_scope = 'mmengine'
model = dict(type='ToyModel', breaks=BREAKS)
loader = dict(batch_size=1, num_workers=0, dataset=dict(type='ToyData'),
              collate_fn=dict(type='pseudo_collate'))
train_dataloader = dict(loader, sampler=dict(type='InfiniteSampler', shuffle=True))
val_dataloader = test_dataloader = dict(loader, sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = test_evaluator = dict(type='Weight')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=4)
val_cfg, test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4),
                     logger=dict(type='LoggerHook', interval=1))
log_processor = dict(by_epoch=False)
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A folder with two configs; the one called breaks fails in its first iteration."""
    (tmp_path / 'toy_of_results.py').write_text(TOY)
    for name, breaks in (('toy', False), ('breaks', True)):
        (tmp_path / f'{name}.py').write_text(CONFIG.replace('BREAKS', str(breaks)))
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), str(tmp_path), os.environ.get('PYTHONPATH', '')]))
    return tmp_path


def lines(file):
    with open(file, newline='') as opened:
        return list(csv.DictReader(opened))


def results(*arguments):
    command = [sys.executable, str(ROOT / 'tools' / 'results.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_a_study_is_chosen_run_side_by_side_and_gone_on_with(toys):
    content = {
        'name': 'Toys',
        'seeds': [0, 1],
        'baseline': 'toy',
        'rows': [
            {'name': 'toy', 'config': str(toys / 'toy.py')},
            {
                'name': 'chosen',
                'config': str(toys / 'toy.py'),
                'choose': {'key': 'optim_wrapper.paramwise_cfg.custom_keys.conv.lr_mult', 'values': [0, 1]},
            },
            {'name': 'breaks', 'config': str(toys / 'breaks.py')},
        ],
        'choice': {
            'seed': 100,
            'metric': 'train/loss',
            'higher_is_better': False,
            'options': {'train_cfg.max_iters': 4},
        },
        'metrics': [{'key': 'test/weight', 'label': 'weight'}],
        'flops_shape': [1, 5, 7],
    }
    study = toys / 'study.yml'
    study.write_text(yaml.safe_dump(content))
    command = ('run', study, '--jobs', 2, '--choose', '--work-dir', toys / 'work')
    done = results(*command, '--seeds', 0)
    assert done.returncode == 1 and done.stderr.endswith('error: failed: breaks, seed 0\n')
    assert 'ArithmeticError: no loss today' in done.stdout

    tried = lines(toys / 'choices.csv')
    assert {line['choice'] for line in tried} == {'0', '1'} and 'test/weight' not in tried[0]
    losses = {line['choice']: float(line['train/loss']) for line in tried}
    assert losses['1'] < losses['0']  # with a factor of 0 nothing is learnt

    before = (toys / 'results.csv').read_text()
    done = results(*command, '--only', 'toy')
    assert done.returncode == 0 and '1 of 2 runs are finished already' in done.stdout
    assert (toys / 'results.csv').read_text().startswith(before)

    found = {(line['name'], line['seed']): line for line in lines(toys / 'results.csv')}
    assert sorted(found) == [('chosen', '0'), ('toy', '0'), ('toy', '1')]
    for (name, seed), line in found.items():
        assert line['choice'] == ('1' if name == 'chosen' else '')
        assert line['parameters'] == '1' and line['flops'] == ('35' if CAN_REGISTER else '')
        assert line['device'].startswith('1 CPU threads')
        assert float(line['train_cpu_seconds']) >= 0 and 'test/said' not in line
        [folder] = (toys / 'work').glob(f'{name}_seed{seed}_*')
        last = torch.load(folder / 'iter_6.pth', weights_only=False)['state_dict']['conv.weight'].item()
        assert float(line['test/weight']) == pytest.approx(last, rel=1e-5)
        assert float(line['val/weight']) == pytest.approx(last, rel=1e-5)  # the last iteration is validated, too
    assert found['toy', '0']['test/weight'] == found['chosen', '0']['test/weight']  # equal settings and seed
    assert found['toy', '0']['test/weight'] != found['toy', '1']['test/weight']
    curve = [line for line in lines(toys / 'curves.csv') if (line['name'], line['seed']) == ('toy', '0')]
    assert [line['step'] for line in curve if line['metric'] == 'train/loss'] == list('123456')
    assert [line['step'] for line in curve if line['metric'] == 'val/weight'] == ['4', '6']


@pytest.mark.slow
def test_a_metafile_is_filled_from_its_runs(toys, monkeypatch):
    (toys / 'toy_of_results.py').write_text(TOY.replace("'weight': results[-1]", "'mIoU': 40.0"))
    metafile = toys / 'metafile.yml'
    model = {
        'Name': 'toy',
        'Config': str(toys / 'toy.py'),
        'Metadata': {},
        'Results': [{'Task': 'T', 'Dataset': 'D', 'Metrics': {'mIoU': None}}],
    }
    metafile.write_text(yaml.safe_dump({'Models': [model]}))
    done = results('run', metafile, '--seeds', 3, '--work-dir', toys / 'work')
    assert done.returncode == 0, done.stderr
    [line] = lines(toys / 'results.csv')
    assert (line['name'], line['seed'], line['test/mIoU']) == ('toy', '3', '40')
    [model] = yaml.safe_load(metafile.read_text())['Models']
    assert model['Results'][0]['Runs'] == {3: {'mIoU': 40.0}} and model['Results'][0]['Metrics'] == {'mIoU': 40.0}
    assert model['Metadata']['Commit'] == line['commit'] and model['Metadata']['Torch'] == torch.__version__
    # the line is there: nothing is run, but a metafile that lost it is filled again
    model['Results'][0] = {'Task': 'T', 'Dataset': 'D', 'Metrics': {'mIoU': None}}
    metafile.write_text(yaml.safe_dump({'Models': [model]}))
    main(['run', str(metafile), '--seeds', '3', '--work-dir', str(toys / 'work')])
    assert yaml.safe_load(metafile.read_text())['Models'][0]['Results'][0]['Runs'] == {3: {'mIoU': 40.0}}


def test_a_run_measures_what_its_job_asks_for(toys, monkeypatch):
    monkeypatch.syspath_prepend(toys)
    monkeypatch.setattr(worker, 'robustness', lambda cfg, folder, images: {'corrupted mIoU': images})
    monkeypatch.setattr(worker, 'LAST_ITERATIONS', 2)
    options = {'train_cfg.max_iters': 3}
    whole = Job(
        'toy', str(toys / 'toy.py'), 'h', 0, options, robustness=True, robustness_images=7, curves=('weight', 'other')
    )
    result = worker.run(whole, toys / 'whole')
    metrics = {'train/loss', 'val/weight', 'test/weight', 'robustness/corrupted mIoU'}
    costs = {'commit', 'torch', 'device', 'parameters', 'flops', 'train_seconds', 'train_cpu_seconds'}
    assert set(result['values']) == metrics | costs and result['values']['robustness/corrupted mIoU'] == 7
    assert [(metric, step) for metric, step, _ in result['curves']] == [
        ('train/loss', 1),
        ('train/loss', 2),
        ('train/loss', 3),
        ('val/weight', 3),
    ]
    losses = [value for metric, _, value in result['curves'] if metric == 'train/loss']
    assert losses[0] != losses[1] and result['values']['train/loss'] == pytest.approx((losses[1] + losses[2]) / 2)
    (toys / 'untested.py').write_text('_base_ = "toy.py"\ntest_dataloader = test_cfg = test_evaluator = None')
    untested = Job('toy', str(toys / 'untested.py'), 'h', 0, options)
    with pytest.raises(ValueError, match='untested.py has no test_dataloader, and metrics of the test are wanted'):
        worker.run(untested, toys / 'untested')
    values = worker.run(replace(untested, test=False), toys / 'untested')['values']
    assert values['val/weight'] == result['values']['test/weight']
    short = worker.run(Job('toy', str(toys / 'toy.py'), 'h', 0, options, test=False), toys / 'short')
    assert set(short['values']) == {'train/loss', 'val/weight'} | costs
    assert short['values']['val/weight'] == result['values']['test/weight']


def test_runs_lie_where_the_user_says_and_a_package_without_its_checkout_refuses(toys, monkeypatch, capsys):
    from freqfusion_mm.apis.studies import commands, study

    metafile = toys / 'metafile.yml'
    metafile.write_text('Models: []')
    folders = []
    monkeypatch.setattr(
        'freqfusion_mm.apis.studies.runner.run_jobs',
        lambda jobs, table, folder, **options: folders.append(folder) or [],
    )
    monkeypatch.chdir(toys)
    main(['run', 'metafile.yml', '--work-dir', 'runs'])
    main(['run', 'metafile.yml'])
    assert folders == [toys / 'runs', commands.ROOT / 'work_dirs' / toys.name]
    folders.clear()  # two studies of one folder name have their runs apart
    main(['run', str(commands.ROOT / 'projects' / 'camvid' / 'hff' / 'study.yml')])
    assert folders == [commands.ROOT / 'work_dirs' / 'projects' / 'camvid' / 'hff']
    monkeypatch.setattr(study, 'ROOT', toys)
    with pytest.raises(SystemExit, match='clone the repository, and run tools/results.py there'):
        main(['run', 'metafile.yml'])


def test_mistakes_of_the_command_are_one_line(toys):
    metafile, missing = toys / 'metafile.yml', toys / 'no.yml'
    metafile.write_text('Models: []')
    for arguments, message in (
        (['run', str(metafile), '--jobs', '0'], 'error: --jobs wants at least 1, got 0'),
        (['run', str(metafile), '--seeds', '1', '1'], 'error: --seeds wants each seed once, got 1 1'),
        (['run', str(metafile), '--choose'], 'error: --choose is for studies, got the metafile'),
        (['run', str(metafile), '--only', 'x'], 'has no model x'),
        (['run', str(missing)], 'No such file or directory'),
        (['plots', str(metafile)], 'is a metafile, and a study is wanted'),
        (['parameters', str(toys / 'toy.py')], 'wants an entry Models, as a metafile has'),
    ):
        with pytest.raises(SystemExit, match=message):
            main(arguments)
    metafile.write_text('Models: [{Name: a, Config: a.py, Results: [{Metrics: {IoU of sky: 1}}]}]')
    with pytest.raises(SystemExit, match='a has the metric IoU of sky; known are mIoU'):
        main(['run', str(metafile)])
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


@pytest.mark.parametrize('scope', ['mmseg', 'mmdet', 'mmpretrain'])
def test_a_study_and_a_metafile_count_alike(scope):
    """A model of each framework: what a run records is what its metafile states."""
    pytest.importorskip(scope)
    from mmengine.config import Config

    names = {
        'mmseg': 'segformer_r18-slim_freqfusion_1xb8-1500i_shapes-128x128',
        'mmdet': 'mask-rcnn_r18_resfu_1xb4-12e_shapes',
        'mmpretrain': 'resnet18-slim_lift_1xb32-30e_shapes-classification-48x48',
    }
    folder = ROOT / 'configs' / 'shapes'
    stated = {model['Name']: model['Metadata'] for model in read_models(folder / 'metafile.yml')}[names[scope]]
    size = tuple(map(int, stated['Input Size'].split('x')))
    cfg = Config.fromfile(folder / f'{names[scope]}.py')
    counted = worker.complexity(cfg, (3, *size))
    assert round(counted['parameters'] / 1e6, 3) == stated['Parameters (M)']
    if CAN_REGISTER:
        assert float(f'{counted["flops"] / 1e9:.5g}') == stated['Multiply-adds (G)']
    assert worker.complexity(cfg, None) == {'parameters': counted['parameters'], 'flops': None}


def test_validations_are_no_training_time(monkeypatch):
    clock = iter([0.0, 3.0, 10.0, 14.0])
    monkeypatch.setattr(worker.time, 'perf_counter', lambda: next(clock))
    record = worker.Record()
    for moment in (record.before_train, record.before_val, record.after_val, record.after_train):
        moment(None)
    assert record.seconds == 7


def test_thinned_losses_are_means_and_end_at_the_last_iteration():
    assert worker.thinned([3.0, 1.0]) == [(1, 3.0), (2, 1.0)]
    points = worker.thinned([float(value) for value in range(101)])
    assert len(points) <= worker.CURVE_POINTS and points[0] == (3, 1.0) and points[-1] == (101, 99.5)


def test_a_commit_with_changes_is_called_dirty(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', *arguments], cwd=tmp_path, check=True)

    (tmp_path / 'a.py').write_text('')
    (tmp_path / 'results.csv').write_text('')
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'one')
    monkeypatch.setattr(worker, 'ROOT', tmp_path)
    clean = worker.commit()
    assert len(clean) >= 7 and clean.isalnum()
    (tmp_path / 'results.csv').write_text('what a run writes changes no other run')
    assert worker.commit() == clean
    (tmp_path / 'notes.txt').write_text('no run reads it')
    assert worker.commit() == clean
    (tmp_path / 'new.py').write_text('')
    assert worker.commit() == f'{clean}-dirty'
    (tmp_path / 'new.py').unlink()
    (tmp_path / 'a.py').write_text('1')
    assert worker.commit() == f'{clean}-dirty'
    monkeypatch.setenv('PATH', '')
    assert worker.commit() == ''
