"""The ESPNet and ESPNetv2 configs: they parse, name known parts, build, take a step; the metafiles agree with them."""

from pathlib import Path

import pytest
import torch
import yaml

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')

from mmengine.config import Config  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import DATASETS, HOOKS, MODELS, PARAM_SCHEDULERS, TRANSFORMS, DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from rows import row  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.classes import class_meta  # noqa: E402

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FILES = {
    file.name.removesuffix('.py'): file
    for folder in ('espnet', 'espnetv2', 'shapes')
    for file in sorted((ROOT / folder).glob('*esp*.py'))
}


@pytest.fixture
def cfg(request):
    cfg = row(FILES[request.param])
    pytest.importorskip(cfg.default_scope)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance(request.param, scope_name=cfg.default_scope)
        yield cfg


def walk(node):
    if isinstance(node, dict):
        yield node
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for child in node:
        yield from walk(child)


def known(registry, name, scope):
    with registry.switch_scope_and_registry(scope) as found:
        return found.get(name) is not None


def every(names):
    return pytest.mark.parametrize('cfg', list(names), indirect=True, ids=list(names))


@every(FILES)
def test_every_part_is_known(cfg):
    scope = cfg.default_scope
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        dataset = loader.dataset
        assert known(DATASETS, dataset.type, scope)
        dataset = dataset.get('dataset', dataset)
        assert known(DATASETS, dataset.type, scope)
        for step in dataset.pipeline:
            assert known(TRANSFORMS, step.type, scope), step.type
    for schedule in cfg.param_scheduler:
        assert known(PARAM_SCHEDULERS, schedule.type, scope)
    for hook in [*cfg.get('custom_hooks', []), *cfg.default_hooks.values()]:
        assert known(HOOKS, hook.type, scope)
    ends = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
    assert cfg.param_scheduler[-1].end == ends
    assert cfg.val_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline


@every({name.split('_')[0] + name.split('_')[-1]: name for name in FILES}.values())
def test_the_text_of_a_run_s_config_reads_as_the_config(cfg):
    """Of one row of every model and data set: writing the text takes a second."""
    assert 'http' not in Path(cfg.filename).read_text()
    assert Config.fromstring(cfg.pretty_text, '.py').model.to_dict() == cfg.model.to_dict()


SMALL = [
    name
    for name in FILES
    if not any(s in name for s in ('faster-rcnn', 'imagenet'))
    and any(s in name for s in ('q3', 's0.5', 'shapes', 'cam'))
]


@every(SMALL)
def test_a_training_step(cfg):
    classes = cfg.model.decode_head.num_classes
    cfg.model.data_preprocessor.size = (64, 64)
    model = MODELS.build(cfg.model)
    assert classes == len(class_meta(cfg, model)['classes'])
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64)))
        sample.gt_sem_seg = PixelData(data=torch.randint(0, classes, (1, 64, 64)))
        samples.append(sample)
    losses = model.train_step(
        dict(inputs=[torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8)] * 2, data_samples=samples), optimizer
    )
    assert torch.isfinite(losses['loss'])


@every([name for name in FILES if 'imagenet' in name])
def test_classifiers_train_a_step(cfg):
    pytest.importorskip('mmpretrain')
    from mmpretrain.structures import DataSample

    import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401

    model = MODELS.build(cfg.model)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    images = [torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    samples = [DataSample().set_gt_label(label) for label in (0, 999)]
    assert torch.isfinite(model.train_step(dict(inputs=images, data_samples=samples), optimizer)['loss'])


@every([name for name in FILES if 'faster-rcnn' in name])
def test_detectors_build_and_see(cfg):
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        outs = model.extract_feat(torch.rand(1, 3, 96, 130))
    assert [out.shape[1] for out in outs] == [cfg.model.neck.out_channels] * cfg.model.neck.num_outs


def test_the_ablation_changes_the_fusion_alone():
    for name in FILES:
        if '_concat_' in name:
            off, on = (row(FILES[other]).to_dict() for other in (name, name.replace('_concat_', '_hff_')))
            chains = [part for part in walk(off['model']) if 'chain' in part]
            assert chains and all(part.pop('chain') == 'none' for part in chains)
            for part in walk(on['model']):
                part.pop('chain', None)
            assert off == on


@pytest.mark.parametrize('folder', ['espnet', 'espnetv2', 'shapes'])
def test_metafiles_name_every_config(folder):
    meta = yaml.safe_load((ROOT / folder / 'metafile.yml').read_text())
    models = {model['Name']: model for model in meta['Models']}
    collections = {collection['Name'] for collection in meta['Collections']}
    for name, file in FILES.items():
        if file.parent.name == folder:
            assert models[name]['Config'] == f'configs/{folder}/{file.name}'
            assert models[name]['In Collection'] in collections
