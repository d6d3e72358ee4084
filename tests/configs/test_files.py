"""Every config file: its name tells what it trains, its bases are few, its keys are alive, its model has the parameters
that the metafile states; and the presets of upsamplers go into every place."""

import ast
import importlib.util
import inspect
import re
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import yaml

pytest.importorskip('mmengine', reason='configs are read with mmengine')

from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from rows import row, shared_row, walk  # noqa: E402

ROOT = Path(__file__).resolve().parents[2] / 'configs'
BASE = ROOT / '_base_'
ROWS = {path.stem: path for path in sorted(ROOT.glob('*/*.py')) if path.parent != BASE}
PRESETS = {path.stem: path for path in sorted((BASE / 'upsamplers').glob('*.py'))}
#: The README's pattern. A classifier is its backbone; detectors are named as in mmdet, without a size.
NAME = re.compile(
    r'(?P<model>[a-z0-9.-]+)(_(?P<backbone>[a-z0-9.-]+))?_(?P<method>[a-z0-9-]+)'
    r'_(1x|(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<length>\d+)(?P<unit>[kie]))'
    r'_(?P<data>[a-z0-9-]+?)(-(?P<height>\d+)x(?P<width>\d+))?'
)
#: Of `ESPNet(unit=...)`.
UNITS = ('resnet', 'resnext', 'inception', 'mobilenet', 'shufflenet')
#: mmengine accepts these of the 0.x and 2.x series silently, and does nothing with them.
DEAD_KEYS = {
    *('samples_per_gpu', 'workers_per_gpu', 'data', 'img_norm_cfg', 'img_scale', 'img_dir', 'ann_dir', 'flip_ratio'),
    *('lr_config', 'optimizer_config', 'checkpoint_config', 'log_config', 'evaluation', 'runner', 'dist_params'),
    *('workflow', 'pretrained', 'total_epochs', 'fp16'),
}
DEAD_TYPES = {
    *('MultiScaleFlipAug', 'DefaultFormatBundle', 'Collect', 'ImageToTensor', 'Normalize', 'SegRescale'),
    *('FreqFusionCARAFEFPN', 'IterBasedRunner', 'EpochBasedRunner'),
}


@cache
def bases(path):
    """The files that a config names in `_base_`."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], 'id', None) == '_base_':
            names = ast.literal_eval(statement.value)
            return [(path.parent / name).resolve() for name in ([names] if isinstance(names, str) else names)]
    return []


@cache
def depth(path):
    """Steps of inheritance above a config."""
    return 1 + max(map(depth, bases(path))) if bases(path) else 0


@cache
def ancestors(path):
    return {base for named in bases(path) for base in ({named} | ancestors(named))}


def values(cfg, key):
    return [part[key] for part in walk(cfg._cfg_dict.model) if key in part]


every_row = pytest.mark.parametrize('name', ROWS)


# ---------------------------------------------------------------- names and text


@every_row
def test_the_name_says_what_is_trained(name):
    part, cfg = NAME.fullmatch(name), shared_row(ROWS[name])
    assert part, f'{name} does not follow the pattern of configs/README.md'
    batch, loop = cfg.train_dataloader.batch_size, cfg.train_cfg
    if part['unit'] is None:
        assert (loop.max_epochs, batch, cfg.auto_scale_lr.base_batch_size) == (12, 2, 16)
    else:
        length = int(part['length']) * (1000 if part['unit'] == 'k' else 1)
        assert length == (loop.max_epochs if part['unit'] == 'e' else loop.max_iters)
        assert part['unit'] != 'i' or length < 10000
        assert batch == int(part['batch'])
        if 'auto_scale_lr' in cfg:
            assert cfg.auto_scale_lr.base_batch_size in (batch * int(part['gpus']), 16)
    data = part['data'].replace('-', '_')
    assert any(base.stem.startswith(data) for base in ancestors(ROWS[name]) if base.parent.name == 'datasets')
    assert (part['height'] is None) == (cfg.default_scope == 'mmdet')
    assert (part['backbone'] is None) == (cfg.default_scope == 'mmpretrain')


@pytest.mark.parametrize('name', [name for name in ROWS if NAME.fullmatch(name)['height']])
def test_the_size_in_the_name_is_height_by_width_of_the_crop(name):
    part, cfg = NAME.fullmatch(name), shared_row(ROWS[name])
    size = (int(part['height']), int(part['width']))
    crops = [
        step['crop_size'] if step['type'] == 'RandomCrop' else step['scale']
        for step in walk(cfg._cfg_dict.train_dataloader)
        if step.get('type') in ('RandomCrop', 'RandomResizedCrop')
    ]
    assert all(crop in (size, size[0]) for crop in crops)
    if cfg.default_scope == 'mmseg':
        assert cfg.model.data_preprocessor.size == size
        assert cfg.get('crop_size', size) == size
    else:
        assert crops


@every_row
def test_the_method_in_the_name_is_the_model_s(name):
    method, cfg = NAME.fullmatch(name)['method'], shared_row(ROWS[name])
    presets = [base.stem.split('_')[0] for base in ancestors(ROWS[name]) if base in PRESETS.values()]
    if presets:
        assert len(presets) == 1 and (method == presets[0] or method.startswith(f'{presets[0]}-')), presets
        assert cfg.upsample_cfg.type in [value.type for value in values(cfg, 'upsample_cfg')]
    elif method in ('max', 'blur', 'lift'):
        assert (values(cfg, 'pool_cfg') or [dict(type='max')])[0]['type'] == method
    elif method in UNITS:
        assert values(cfg, 'unit') == [method]
    elif method in ('hff', 'concat'):
        assert {chain == 'none' for chain in values(cfg, 'chain')} == {method == 'concat'}
    else:
        assert method in ('bilinear', 'nearest') and values(cfg, 'upsample_cfg')[0] == dict(type=method)


def expanded(text):
    """`a{b,c}d` as the shell reads it: [abd, acd]."""
    match = re.search(r'\{([^{}]*)\}', text)
    if not match:
        return [text]
    words = [text[: match.start()] + word + text[match.end() :] for word in match[1].split(',')]
    return [whole for word in words for whole in expanded(word)]


def test_the_readme_lists_the_baselines_and_the_presets():
    section = re.split('^## ', (ROOT / 'README.md').read_text(), flags=re.M)
    baselines, presets = (next(s for s in section if s.startswith(title)) for title in ('Baselines', 'Upsamplers'))
    listed = [name for row in re.findall(r'^\|[^|]*\| `([^`]*)` \|', baselines, re.M) for name in expanded(row)]
    plain = ('bilinear', 'nearest', 'max', 'concat')
    assert sorted(listed) == sorted(name for name in ROWS if NAME.fullmatch(name)['method'] in plain)
    first_cells = ' '.join(re.findall(r'^\|([^|]*)\|', presets, re.M))
    assert sorted(re.findall('`([^`]*)`', first_cells)) == sorted(PRESETS)
    assert len((ROOT / 'README.md').read_bytes()) < 12000


@every_row
def test_a_row_is_short(name):
    lines = ROWS[name].read_text().splitlines()
    code = [line for line in lines if not line.startswith('#')]
    assert lines[0].startswith('# ') and len(lines[0]) > 30, 'the first line: which paper, table and row'
    assert len(code) <= 18, 'whole models, data sets and schedules belong into _base_'
    assert depth(ROWS[name]) <= 3
    assert not re.search(r'\b(mean|std)=', '\n'.join(code)), 'preprocessors stand in _base_'
    assert 'http://' not in '\n'.join(lines)


def test_every_base_says_what_it_is_and_is_used():
    projects = ROOT.parent.glob('projects/*/configs/*.py')
    used = set().union(*map(ancestors, [*ROWS.values(), *projects]))
    pages = ' '.join(page.read_text() for page in ROOT.parent.glob('projects/*/README.md'))  # what a user may add
    assert [path.stem for path in BASE.rglob('*.py') if path not in used and path.name not in pages] == []
    assert [path.stem for path in BASE.rglob('*.py') if not path.read_text().startswith('# ')] == []


@every_row
def test_no_key_is_dead(name):
    for part in walk(shared_row(ROWS[name])._cfg_dict):
        assert not DEAD_KEYS & set(part), DEAD_KEYS & set(part)
        assert part.get('type') not in DEAD_TYPES


# ---------------------------------------------------------------- models


@cache
def metadata(folder):
    path = ROOT / folder / 'metafile.yml'
    models = yaml.safe_load(path.read_text())['Models'] if path.exists() else []
    return {model['Name']: model['Metadata'] for model in models}


@every_row
def test_the_model_builds_and_has_the_parameters_of_the_metafile(name):
    """On the meta device: modules and options fit together, whatever their size."""
    cfg = row(ROWS[name])
    scope = cfg.default_scope
    if importlib.util.find_spec(scope) is None:
        pytest.skip(f'{scope} is not installed')
    import freqfusion_mm.registration  # noqa: F401

    if scope == 'mmpretrain':
        import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401
    for part in walk(cfg._cfg_dict.model):
        if (part.get('init_cfg') or {}).get('type') == 'Pretrained':
            part['init_cfg'] = None  # no downloads
    linspace = torch.linspace  # backbones ask it for drop-path rates as numbers
    on_cpu = patch('torch.linspace', lambda *args, **kwargs: linspace(*args, **{**kwargs, 'device': 'cpu'}))
    DefaultScope.get_instance(f'test-{name}', scope_name=scope)
    with DefaultScope.overwrite_default_scope(scope), torch.device('meta'), on_cpu:
        model = MODELS.build(cfg.model)
    stated = metadata(ROWS[name].parent.name).get(name, {}).get('Parameters (M)')
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    digits = 3 if ROWS[name].parent.name not in ('espnet', 'espnetv2') else 6
    assert stated is None or stated == pytest.approx(count, abs=0.51 * 10**-digits)
    assert stated is not None or ROWS[name].parent.name == 'loveda'  # a trial without results


# ---------------------------------------------------------------- presets of upsamplers


@pytest.mark.parametrize('name', PRESETS)
def test_a_preset_builds_and_repeats_no_default(name):
    from freqfusion_mm.layers.registry import build_fusion

    assert set(shared_row(PRESETS[name])._cfg_dict) == {'upsample_cfg'}
    cfg = row(PRESETS[name]).upsample_cfg.to_dict()
    fusion = build_fusion(cfg, 32, 32)
    lr_up, hr = fusion(torch.randn(1, 32, 4, 5), torch.randn(1, 32, 8, 10))
    assert lr_up.shape[-2:] == hr.shape[-2:] == (8, 10)
    known = inspect.signature(type(getattr(fusion, 'upsampler', fusion))).parameters
    assert not {key for key, value in cfg.items() if key != 'type' and known[key].default == value}


PLACES = {
    'neck': 'faster-rcnn_r50_nearest_1x_coco',
    'decode_head': 'segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512',
    'decode_head.pixel_decoder': 'mask2former_r50_bilinear_8xb2-160k_ade20k-512x512',
}


def part_of(model, place):
    for key in place.split('.'):
        model = model[key]
    return model


@pytest.fixture
def child(tmp_path):
    """child(place, preset): a row of its own that puts the preset into the baseline's place."""

    def write(place, preset):
        model = '_base_.upsample_cfg'
        for key in ('upsample_cfg', *reversed(place.split('.'))):
            model = f'dict({key}={model})'
        row = tmp_path / 'row.py'
        row.write_text(f'_base_ = [{str(ROWS[PLACES[place]])!r}, {str(PRESETS[preset])!r}]\nmodel = {model}\n')
        return Config.fromfile(row, import_custom_modules=False)

    return write


@pytest.mark.parametrize('place', PLACES)
def test_every_preset_goes_into_every_place(place, child):
    for preset, path in PRESETS.items():
        ours, plain = (part_of(cfg.model, place) for cfg in (child(place, preset), shared_row(ROWS[PLACES[place]])))
        assert ours.upsample_cfg == shared_row(path).upsample_cfg
        assert {**ours, 'upsample_cfg': None} == {**plain, 'upsample_cfg': None}


@pytest.mark.parametrize('place', PLACES)
def test_a_row_survives_being_dumped_and_read_again(place, child, tmp_path):
    """As a runner does with the config of every run."""
    cfg = child(place, 'dysample-s-plus')
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py', import_custom_modules=False)._cfg_dict == cfg._cfg_dict


def test_the_lazy_config_of_the_page_builds_and_survives_being_dumped(tmp_path):
    pytest.importorskip('mmdet')
    (block,) = re.findall(
        r'```python\n(from mmdet.*?)```', (ROOT.parent / 'freqfusion_mm/README.md').read_text(), re.DOTALL
    )
    (tmp_path / 'lazy.py').write_text(block)
    lazy = Config.fromfile(tmp_path / 'lazy.py')
    lazy.dump(tmp_path / 'dumped.py')
    for cfg in (lazy, Config.fromfile(tmp_path / 'dumped.py')):
        neck = MODELS.build(cfg.model.neck)
        assert type(neck).__name__ == 'FusionFPN'
        assert {type(fusion).__name__ for fusion in neck.fusions} == {'FreqFusion'}


def test_presets_of_two_upsamplers_do_not_mix(tmp_path):
    """Two presets in one `_base_` are refused by mmengine; there is no order in which one wins."""
    row = tmp_path / 'row.py'
    row.write_text(f'_base_ = [{str(PRESETS["carafe"])!r}, {str(PRESETS["resfu"])!r}]\n')
    with pytest.raises(KeyError, match='Duplicate key'):
        Config.fromfile(row)


@every_row
def test_a_row_takes_its_upsampler_from_a_preset(name):
    """Settings stand once: no row but a baseline spells an upsampler out; the inverse of a pooling has no settings."""
    assert 'upsample_cfg=dict(type=' not in ROWS[name].read_text().replace("upsample_cfg=dict(type='lift')", '')
    for cfg in values(shared_row(ROWS[name]), 'upsample_cfg'):
        assert 'upsample_cfg' in shared_row(ROWS[name]) or cfg.type in ('bilinear', 'nearest', 'lift')
