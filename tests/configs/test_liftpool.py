"""The pooling configs, published settings and Shapes rows: they parse, build, train a step and differ by a line."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmengine', reason='configs are read with mmengine')

from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from rows import row  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[2] / 'configs'
SHAPES = [
    f'{model}_{kind}_{rest}'
    for model, rest in (
        ('resnet18-slim', '1xb32-30e_shapes-classification-48x48'),
        ('segnet_vgg16-slim', '1xb4-1000i_shapes-128x128'),
        ('deeplabv3plus_r18-slim', '1xb4-1500i_shapes-128x128'),
    )
    for kind in ('max', 'blur', 'lift')
]
FILES = {path.stem: path for path in sorted((ROOT / 'liftpool').glob('*.py'))}
FILES |= {name: ROOT / 'shapes' / f'{name}.py' for name in SHAPES}
CLASSIFIERS = ('resnet', 'vgg')


def scope_of(name):
    return 'mmpretrain' if name.startswith(CLASSIFIERS) else 'mmseg'


def params_of(names):
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(scope_of(name)) is None, reason=f'{scope_of(name)} is not installed'
            ),
        )
        for name in names
    ]


ALL = params_of(FILES)


@pytest.fixture(autouse=True)
def scope(request):
    if 'name' not in request.fixturenames:
        return
    name = request.getfixturevalue('name')
    if scope_of(name) == 'mmseg':
        from mmseg.utils import register_all_modules

        register_all_modules(init_default_scope=False)
    else:
        import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401
    DefaultScope.get_instance('test_configs_liftpool', scope_name=scope_of(name))


def load(name):
    cfg = row(FILES[name])
    cfg.model.backbone.init_cfg = None  # no downloads
    return cfg


def test_the_families_are_whole():
    assert len(FILES) == 28
    for name in FILES:
        assert sum(f'_{kind}_' in name for kind in ('max', 'blur', 'lift')) == 1
        assert name.replace('_lift_', '_max_').replace('_blur_', '_max_') in FILES


@pytest.mark.parametrize('name', ALL)
def test_the_framework_and_the_hooks(name):
    cfg = load(name)
    assert cfg.default_scope == scope_of(name)
    types = [hook.type for hook in cfg.get('custom_hooks', [])]
    assert ('LiftRegularization' in types) == ('_lift_' in name)
    assert ('DatasetCheck' in types) == ('shapes' in name)


@pytest.mark.parametrize('name', params_of(name for name in FILES if '_max_' not in name))
def test_only_the_pooling_differs_from_the_baseline(name):
    other = name.replace('_lift_', '_max_').replace('_blur_', '_max_')
    found = set()

    def compare(first, second, where):
        if isinstance(first, dict) and isinstance(second, dict):
            for key in {*first, *second}:
                compare(first.get(key), second.get(key), (*where, key))
        elif first != second:
            found.add(where)

    compare(*(row(FILES[each]).to_dict() for each in (name, other)), ())
    allowed = {'pool_cfg', 'unpool_cfg', 'upsample_cfg', 'return_memory', 'memory_channels', 'custom_hooks'}
    assert found and all(set(where) & allowed for where in found), found


def loss_step(name, cfg, size):
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
    images = torch.randn(2, 3, *size)
    if scope_of(name) == 'mmseg':
        from mmseg.structures import SegDataSample

        samples = [
            SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 4, (1, *size))), metainfo=dict(img_shape=size))
            for _ in images
        ]
    else:
        from mmpretrain.structures import DataSample

        samples = [DataSample().set_gt_label(i) for i in range(2)]
    loss = sum(value for key, value in model.loss(images, samples).items() if 'loss' in key)
    loss.backward()
    assert torch.isfinite(loss)
    return model


LARGE = [name for name in FILES if '50_' in name or 'segnet_vgg16_' in name]


@pytest.mark.parametrize('name', params_of(name for name in FILES if name not in LARGE))
def test_one_loss_step(name):
    check_loss_step(name)


@pytest.mark.slow
@pytest.mark.parametrize('name', params_of(LARGE))
def test_one_loss_step_of_the_large_models(name):
    check_loss_step(name)


def check_loss_step(name):
    size = (32, 32) if 'cifar100' in name else (37, 50)
    model = loss_step(name, load(name), size)
    idle = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert idle == []  # so distributed training needs no search for unused parameters
    memory = getattr(model.backbone, 'memory_channels', None)
    if 'deeplabv3plus' in name and '_lift_' in name:
        assert list(model.decode_head.unpools) and load(name).model.decode_head.memory_channels == memory


@pytest.mark.parametrize('name', params_of(name for name in SHAPES if scope_of(name) == 'mmseg'))
def test_prediction_has_the_size_of_the_image(name):
    from mmseg.structures import SegDataSample

    model = MODELS.build(load(name).model).eval()
    sample = SegDataSample(metainfo=dict(img_shape=(61, 83), ori_shape=(61, 83)))
    with torch.no_grad():
        (out,) = model.predict(torch.randn(1, 3, 61, 83), [sample])
    assert out.pred_sem_seg.data.shape == (1, 61, 83)


@pytest.mark.skipif(importlib.util.find_spec('mmpretrain') is None, reason='mmpretrain is not installed')
@pytest.mark.slow
def test_mmpretrain_comes_without_torchvision():
    """Python takes None for a module that cannot be imported."""
    code = (
        "import sys; sys.modules['torchvision'] = None; import freqfusion_mm.compat.mmpretrain_imports; "
        'from mmpretrain.models import ImageClassifier; from mmpretrain.datasets import CIFAR100; '
        "print([name for name in sys.modules if name.startswith('torchvision')])"
    )
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.stdout.splitlines()[-1:] == ['[]'], done.stderr
