"""Every config, of rows and of projects, names data sets, transforms, hooks, metrics and schedules that exist, and
gives transforms and metrics keywords that they take."""

import copy
import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('mmengine', reason='configs are read with mmengine')

from mmengine.registry import (  # noqa: E402
    DATASETS,
    HOOKS,
    METRICS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISUALIZERS,
    DefaultScope,
)
from rows import row  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    path.stem: path
    for pattern in ('configs/*/*.py', 'projects/*/configs/*.py')
    for path in sorted(ROOT.glob(pattern))
    if path.parent.name != '_base_'
}


@pytest.fixture
def cfg(request):
    cfg = row(FILES[request.param])
    scope = cfg.default_scope
    if importlib.util.find_spec(scope) is None:
        pytest.skip(f'{scope} is not installed')
    if scope == 'mmpretrain':
        import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401
    else:
        importlib.import_module(f'{scope}.utils').register_all_modules(init_default_scope=False)
    if DefaultScope.get_current_instance() is None:
        DefaultScope.get_instance('test_parts', scope_name=scope)
    with DefaultScope.overwrite_default_scope(scope):
        yield cfg


def known(registry, name):
    with registry.switch_scope_and_registry(None) as found:
        return found.get(name) is not None


def listed(part):
    return part if isinstance(part, (list, tuple)) else [part]


def steps(dataset):
    """The transforms of a data set, and of those inside it."""
    assert known(DATASETS, dataset.type), dataset.type
    yield from dataset.get('pipeline', [])
    for inner in [*dataset.get('datasets', []), *filter(None, [dataset.get('dataset')])]:
        yield from steps(inner)


@pytest.mark.parametrize('cfg', FILES, indirect=True)
def test_every_part_is_known(cfg):
    found = [list(steps(loader.dataset)) for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)]
    assert all(found)
    for step in {str(step): step for steps in found for step in steps}.values():
        TRANSFORMS.build(copy.deepcopy(step))
    for hook in [*cfg.default_hooks.values(), *cfg.get('custom_hooks', [])]:
        assert known(HOOKS, hook.type), hook.type
    for metric in [*listed(cfg.val_evaluator), *listed(cfg.test_evaluator)]:
        assert known(METRICS, metric.type), metric.type
        if cfg.default_scope == 'mmpretrain' or metric.type == 'IoUMetric':  # others read files when they are built
            METRICS.build(copy.deepcopy(metric))
    for schedule in listed(cfg.param_scheduler):
        assert known(PARAM_SCHEDULERS, schedule.type), schedule.type
    if 'visualizer' in cfg:
        assert known(VISUALIZERS, cfg.visualizer.type), cfg.visualizer.type
    length = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    last = listed(cfg.param_scheduler)[-1]
    assert last.get('end', length if last.type == 'MultiStepLR' else None) == length
