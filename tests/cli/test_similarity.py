"""`similarity` on small models measures what their layers give."""

import csv

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from freqfusion_mm.cli.main import main
from freqfusion_mm.evaluation.analysis.feature_similarity import FeatureSimilarity

VOID = 255
METRICS = ('IntraSim', 'InterSim', 'SimMargin', 'SimAcc', 'mSimAcc')
CONFIG = """
default_scope = 'mmseg'
custom_imports = dict(imports=['freqfusion_mm.registration'])
test_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset', data_root={root!r}, metainfo=dict(classes=('a', 'b', 'c')),
        data_prefix=dict(img_path='img', seg_map_path='sem'), img_suffix='.png', seg_map_suffix='.png',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(40, 48), keep_ratio=False),
                  dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
val_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=False), batch_size=1, dataset=dict(
    type='BaseSegDataset', data_root={root!r}, data_prefix=dict(img_path='img'), img_suffix='.png',
    metainfo=dict(classes=('a', 'b', 'c')), pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[128] * 3, std=[64] * 3, size_divisor=32,
                           test_cfg=dict(size_divisor=32)),
    backbone=dict(type='ResNet', depth=18, base_channels=8, norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='FusionSegformerHead', in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=8, num_classes=3,
        norm_cfg=dict(type='BN'), upsample_cfg=dict(type={fusion!r})),
    train_cfg=dict(), test_cfg=dict(mode='slide', crop_size=(16, 16), stride=(16, 16)))
"""


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """Five images of 80x96 pixels, and two models: their configs and random weights."""
    pytest.importorskip('mmseg')
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    work = tmp_path_factory.mktemp('feature_similarity')
    numbers = np.random.default_rng(0)
    for folder in ('img', 'sem'):
        (work / 'data' / folder).mkdir(parents=True)
    for i in range(5):
        label = cv2.resize(numbers.integers(0, 3, (4, 5), np.uint8), (80, 96), interpolation=cv2.INTER_NEAREST)
        noise = numbers.integers(0, 60, (96, 80, 3), np.uint8)
        cv2.imwrite(str(work / f'data/img/{i}.png'), label[..., None] * 90 + noise)
        label[40:50] = VOID
        cv2.imwrite(str(work / f'data/sem/{i}.png'), label)
    for fusion in ('bilinear', 'FreqFusion'):
        (work / f'{fusion}.py').write_text(CONFIG.format(root=str(work / 'data'), fusion=fusion))
        cfg = Config.fromfile(work / f'{fusion}.py')
        init_default_scope('mmseg')
        torch.manual_seed(0)
        torch.save(MODELS.build(cfg.model).state_dict(), work / f'{fusion}.pth')
    return work


@pytest.fixture
def tool(work, monkeypatch, capsys):
    """tool(options, fusion, ...): runs the command on these models; returns the rows of the CSV file by key."""
    monkeypatch.chdir(work)

    def run(options, *fusions):
        models = [word for name in fusions for word in ('--model', f'{name}.py', f'{name}.pth')]
        assert main(['similarity', *models, '--out', 'out/found.csv', *options.split()]) == 0
        with open('out/found.csv') as file:
            return {(row['model'], row['layer'], row['region'], row['class']): row for row in csv.DictReader(file)}

    return run


def features_of(work, fusion, layer):
    """The backbone's first map, or the concatenated levels, of each image, without the padding: [5, C, 12, 10]."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from freqfusion_mm.models.concat_fusions import concat_fuse

    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(work / f'{fusion}.py').model).eval()
    model.load_state_dict(torch.load(work / f'{fusion}.pth', weights_only=True))
    images = [cv2.resize(cv2.imread(str(work / f'data/img/{i}.png')), (40, 48)) for i in range(5)]
    images = (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() - 128) / 64
    with torch.no_grad():
        levels = model.extract_feat(F.pad(images, (0, 24, 0, 16)))
        head = model.decode_head
        maps = (
            levels[0]
            if layer == 'backbone:0'
            else concat_fuse(head.fusions, [conv(level) for conv, level in zip(head.convs, levels)])
        )
    return maps[..., :12, :10]


def test_the_tool_measures_what_the_layers_give(tool, work, capsys):
    """Images resized and padded for the network, labels not; the window that the config slides is left aside."""
    layers = ('backbone:0', 'decode_head.fusion_conv:in')
    found = tool(f'--layer {layers[0]} --layer {layers[1]} --interpolation nearest --edge 0', 'bilinear', 'FreqFusion')
    assert len(found) == 2 * 2 * 4
    shown = capsys.readouterr().out
    for fusion in ('bilinear', 'FreqFusion'):
        for layer in layers:
            similarity = FeatureSimilarity(3, interpolation='nearest')
            for i, feature in enumerate(features_of(work, fusion, layer)):
                similarity.update(feature, torch.from_numpy(cv2.imread(str(work / f'data/sem/{i}.png'), -1)))
            values, row = similarity.compute(), found[fusion, layer, 'whole image', 'all']
            assert {metric: float(row[metric]) for metric in METRICS} == pytest.approx(
                {metric: values[metric] for metric in METRICS}, abs=1e-5
            )
            assert int(row['pixels']) == 5 * 86 * 80
            assert float(found[fusion, layer, 'whole image', 'c']['IntraSim']) == pytest.approx(
                similarity.per_class()['IntraSim'][2].item(), abs=1e-5
            )
            assert f'| {fusion} | {layer} | whole image | {values["IntraSim"]:.3f} |' in shown


def test_models_of_one_title_are_runs_of_one_method(tool, capsys):
    layer, key = 'decode_head.fusion_conv:in', ('ours', 'decode_head.fusion_conv:in', 'whole image', 'all')
    options = f'--layer {layer} --edge 0 --images 2 --title ours'
    values = [float(tool(options, name)[key]['IntraSim']) for name in ('bilinear', 'FreqFusion')]
    capsys.readouterr()
    tool(f'{options} --title ours', 'bilinear', 'FreqFusion')
    (shown,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ours')]
    half = 12.706 * abs(values[0] - values[1]) / 2  # Student's t of one degree of freedom
    assert values[0] != values[1]
    assert shown.startswith(f'| ours (2) | {layer} | whole image | {sum(values) / 2:.3f} ± {half:.3f} |')


def test_options_of_the_tool(tool):
    found = tool(
        '--layer decode_head.fusions.2:0 --layer decode_head.fusions.2:in:1 --images 3 --size 32 48 '
        '--title ours --inter centers --edge 3',
        'FreqFusion',
    )
    assert {key[:3] for key in found} == {
        ('ours', f'decode_head.fusions.2:{which}', region)
        for which in ('0', 'in:1')
        for region in ('whole image', 'boundary band (3)')
    }
    rows = [row for row in found.values() if row['class'] == 'all']
    assert all(
        float(row['SimMargin']) == pytest.approx(float(row['IntraSim']) - float(row['InterSim']), abs=2e-6)
        for row in rows
    )
    assert all(0 < int(row['pixels']) < 3 * 32 * 48 for row in rows)


@pytest.mark.parametrize(
    'options, message',
    [
        ('--layer decode_head.fusion', 'no layer decode_head.fusion; under decode_head .*, decode_head.fusion_conv, '),
        ('--layer neck', 'no layer neck; in the model there is data_preprocessor, backbone, decode_head'),
        ('--layer backbone', r'several maps \(0: \[2, 8, 16, 16\], 1: .*say which, backbone:INDEX'),
        ('--layer backbone:4', 'no map of that number; there are 0: '),
        ('--layer backbone:in:1', 'no map of that number; there is one'),
        ('--layer backbone:out', '--layer wants NAME, NAME:INDEX'),
        ('--layer decode_head', r'must run once a batch, it ran 0 times .*name a layer inside'),
        ('--layer backbone:0 --edge 2', 'edge_k must be 0 .* or odd'),
        ('--layer backbone:0 --images 0', 'want positive numbers'),
        ('--layer backbone:0 --split val', 'the pipeline must load labels'),
    ],
)
def test_errors_are_one_line(tool, options, message):
    with pytest.raises(SystemExit, match=message):
        tool(options, 'FreqFusion')
