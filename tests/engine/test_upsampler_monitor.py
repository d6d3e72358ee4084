"""The monitor of upsamplers through the real runner: what it logs, when it warns, and that it costs nothing between."""

import json
import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn

pytest.importorskip('mmengine', reason='the monitor is a hook of mmengine')

from mmengine.model import BaseModel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.studies.worker import monitored  # noqa: E402
from freqfusion_mm.engine.hooks.upsampler_monitor import UpsamplerMonitor  # noqa: E402
from freqfusion_mm.evaluation.analysis.fusion_calls import find_fusions, recorded_fusions  # noqa: E402
from freqfusion_mm.evaluation.analysis.inside_numbers import numbers  # noqa: E402
from freqfusion_mm.layers import build_fusion  # noqa: E402


class Toy(BaseModel):
    """A convolution for each of the two maps, and fusions between them; notes how many hooks each forward saw."""

    def __init__(self, *upsample_cfgs):
        super().__init__()
        self.coarse, self.fine = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(3, 8, 3, 1, 1)
        self.fusions = nn.ModuleList(build_fusion(cfg, 8, 8) for cfg in upsample_cfgs)
        self.hooked = []

    def forward(self, inputs, mode='loss'):
        self.hooked.append(sum(len(fusion._forward_hooks) for fusion in self.fusions))
        lr_feat, hr_feat = self.coarse(inputs), self.fine(inputs)
        return dict(loss=sum(fusion(lr_feat, hr_feat)[0].square().mean() for fusion in self.fusions))


class Images(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.rand(3, 16, 12, generator=torch.Generator().manual_seed(index)))


def train(model, work_dir, interval=2, iterations=5, rate=0.0):
    """Returns the runner, and the scalars of the monitor by iteration."""
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=Images(),
            sampler=dict(type='InfiniteSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=rate)),
        custom_hooks=[dict(type='UpsamplerMonitor', interval=interval)],
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
        log_processor=dict(by_epoch=False),
        default_scope='mmengine',
        experiment_name=str(work_dir),
    )
    runner.train()
    lines = map(json.loads, next(work_dir.rglob('vis_data/scalars.json')).read_text().splitlines())
    return runner, {line['step']: line for line in lines if any(key.startswith('upsampler/') for key in line)}


def test_logs_every_so_often_and_costs_nothing_between(tmp_path):
    model = Toy('FreqFusion', 'DySample', 'nearest', 'IndexNet', 'carafe')
    runner, scalars = train(model, tmp_path)
    assert sorted(scalars) == [2, 4]
    assert model.hooked == [0, 5, 0, 5, 0]
    names = {key.partition('/')[2] for key in scalars[2] if key.startswith('upsampler/')}
    offsets = {'offset_mean', 'offset_max', 'offset_share', 'outside'}
    assert names == {
        *(f'fusions.0/{name}' for name in {'logit_rms', 'kernel_entropy', 'high_frequency', *offsets}),
        *(f'fusions.1/{name}' for name in {'high_frequency', *offsets}),
        *(f'fusions.{number}/high_frequency' for number in (2, 3)),
        *(f'fusions.4/{name}' for name in {'logit_rms', 'kernel_entropy', 'high_frequency'}),
    }
    # The rate is zero: what was logged can be computed from the first image of the second batch.
    image = Images()[2]['inputs'][None]
    with torch.no_grad():
        expected = numbers(model.fusions[0].inside(model.coarse(image), model.fine(image)))
    for name, value in expected.items():
        assert scalars[2][f'upsampler/fusions.0/{name}'] == pytest.approx(value, rel=1e-4), name
    # A study keeps of every look the layer that is worst off.
    looks = monitored(runner)
    for step, worst in looks:
        for number, choose in (('kernel_entropy', min), ('offset_max', max), ('high_frequency', max)):
            layers = [value for key, value in scalars[step].items() if key.endswith(f'/{number}')]
            assert worst[f'train/upsampler/{number}'] == pytest.approx(choose(layers), rel=1e-4), number
    assert [step for step, _ in looks] == [2, 4]


def test_training_is_the_same_with_it(tmp_path):
    weights = []
    for number, interval in enumerate((1, 1000)):
        torch.manual_seed(0)
        model = Toy('FreqFusion', 'IndexNet')
        train(model, tmp_path / str(number), interval, rate=0.1)
        weights.append(model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_warns_once_in_words(tmp_path, caplog):
    model = Toy('FreqFusion', 'carafe')
    with torch.no_grad():
        model.fusions[0].lowpass_encoder.weight.mul_(1e4)
        model.fusions[0].offset_generator.lr_offset.bias.fill_(50)
    with caplog.at_level(logging.WARNING):
        train(model, tmp_path, interval=1)
    said = next(tmp_path.rglob('*.log')).read_text()
    assert said.count('fusions.0 (FreqFusion), iteration 1: the kernels have collapsed to single taps') == 1
    assert said.count('fusions.0 (FreqFusion), iteration 1: the offsets leave the map') == 1
    assert (
        said.count('collapsed') == said.count('offsets leave the map') == 1 and "{'fusions': dict(lr_mult=0.1)}" in said
    )


def test_refuses(tmp_path):
    with pytest.raises(ValueError, match='interval must be a number of iterations of 1 or more, got 0'):
        UpsamplerMonitor(0)
    model = Toy()
    assert not find_fusions(model)
    with pytest.raises(ValueError, match='UpsamplerMonitor found no fusion and no upsampler in Toy: remove'):
        train(model, tmp_path)


def test_a_look_needs_no_batch_and_leaves_no_hook(tmp_path):
    """One sample of one square is nothing to norm a batch by; and an iteration need not call a fusion."""
    model = nn.Sequential(build_fusion('IndexNet', 8, 8)).train()
    with recorded_fusions(model) as calls:
        model[0](torch.rand(2, 8, 1, 1), torch.rand(2, 8, 2, 2))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    calls[0].inside()
    assert all(module.training for module in model.modules())
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())

    runner = SimpleNamespace(model=model, iter=0)
    hook = UpsamplerMonitor(interval=1)
    for _ in range(2):
        hook.before_train_iter(runner, 0)
        assert len(model[0]._forward_hooks) == 1
        hook.after_train_iter(runner, 0)
        assert not model[0]._forward_hooks


def test_of_a_layer_that_runs_twice_the_last_call_is_logged():
    model = nn.Sequential(build_fusion('DySample', 8, 8))
    logged = []
    visualizer = SimpleNamespace(add_scalars=lambda scalars, step: logged.append(scalars))
    runner, hook = SimpleNamespace(model=model, iter=0, visualizer=visualizer), UpsamplerMonitor(interval=1)
    hook.before_train_iter(runner, 0)
    for _ in range(2):
        pair = torch.rand(1, 8, 3, 4), torch.rand(1, 8, 6, 8)
        model[0](*pair)
    hook.after_train_iter(runner, 0)
    with torch.no_grad():
        last = numbers(model[0].inside(*pair))
    assert logged[0]['upsampler/0/offset_mean'] == pytest.approx(last['offset_mean'])


def test_a_model_whose_calls_it_does_not_see_is_named_once(tmp_path):
    """As a compiled one, which calls no hooks that are added later."""

    class Unseen(Toy):
        def forward(self, inputs, mode='loss'):
            return dict(loss=self.coarse(inputs).square().mean() + 0 * sum(p.sum() for p in self.fusions.parameters()))

    assert train(Unseen('FreqFusion'), tmp_path)[1] == {}
    said = next(tmp_path.rglob('*.log')).read_text()
    assert said.count('UpsamplerMonitor sees no call of an upsampler') == 1


def test_a_layer_that_is_not_a_number_is_the_worst():
    monitor = UpsamplerMonitor()
    monitor.history.append((2, {'a/kernel_entropy': 0.5, 'b/kernel_entropy': float('nan'), 'a/offset_max': 1.0}))
    ((_, worst),) = monitored(SimpleNamespace(hooks=[monitor]))
    assert worst['train/upsampler/kernel_entropy'] != worst['train/upsampler/kernel_entropy']
    assert worst['train/upsampler/offset_max'] == 1
