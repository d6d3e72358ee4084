"""The similarity of features to class centres against literal loops, and its tool on small models."""

import csv
import math
from collections import defaultdict

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from freqfusion_mm.cli.main import main
from freqfusion_mm.evaluation.analysis import feature_similarity
from freqfusion_mm.evaluation.analysis.feature_similarity import FeatureSimilarity, boundary_band

VOID = 255
METRICS = ('IntraSim', 'InterSim', 'SimMargin', 'SimAcc', 'mSimAcc')


def grid(*rows):
    """'01.' -> [0, 1, VOID]"""
    return torch.tensor([[VOID if letter == '.' else int(letter) for letter in row] for row in rows])


LABELS = [
    grid('00011', '00011', '22211'),
    grid('0.111', '00111', '00.11'),
    grid('00000', '00000', '00000'),
    grid('1112222000', '1112222000', '1112222000', '1111122...', '1111122000', '1111122000'),
]


def loops_band(label, edge_k):
    height, width = label.shape
    radius = edge_k // 2

    def neighbours(y, x, reach):
        return [(y + dy, x + dx) for dy, dx in reach if 0 <= y + dy < height and 0 <= x + dx < width]

    square = [(dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)]
    plus = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    edge = {
        (y, x)
        for y in range(height)
        for x in range(width)
        if label[y, x] != VOID and any(label[p] not in (VOID, label[y, x]) for p in neighbours(y, x, plus))
    }
    return {
        (y, x)
        for y in range(height)
        for x in range(width)
        if any(p in edge for p in neighbours(y, x, square))
        and not any(label[p] == VOID for p in neighbours(y, x, square))
    }


def loops(features, labels, edge_k, inter):
    """The definitions, pixel by pixel: metric -> value, and metric -> class -> value."""
    found = defaultdict(lambda: defaultdict(list))
    for feature, label in zip(features, labels):
        pixels = [(y, x) for y in range(label.shape[0]) for x in range(label.shape[1]) if label[y, x] != VOID]
        band = loops_band(label, edge_k) if edge_k else set()
        centres = {}
        for c in {int(label[p]) for p in pixels}:
            own = [feature[(slice(None), *p)] for p in pixels if label[p] == c and p not in band]
            if own:
                centres[c] = sum(own) / len(own)
        for p in pixels if not edge_k else band:
            c = int(label[p])
            if c not in centres:
                continue
            similar = {
                k: F.cosine_similarity(feature[(slice(None), *p)], centre, dim=0).item()
                for k, centre in centres.items()
            }
            own = similar.pop(c)
            found['IntraSim'][c].append(own)
            if similar:
                found['SimAcc'][c].append(float(own >= max(similar.values())))
                if inter != 'centers':
                    other = max(similar.values()) if inter == 'nearest' else sum(similar.values()) / len(similar)
                    found['InterSim'][c].append(other)
                    found['SimMargin'][c].append(own - other)
        if inter == 'centers':
            for a in sorted(centres):
                for b in sorted(centres):
                    if a < b:
                        found['InterSim'][a].append(F.cosine_similarity(centres[a], centres[b], dim=0).item())
    classes = {metric: {c: np.mean(values) for c, values in by_class.items()} for metric, by_class in found.items()}
    values = {metric: np.mean(list(by_class.values())) for metric, by_class in classes.items()}
    values['mSimAcc'] = values['SimAcc']
    values['SimAcc'] = np.mean([right for by_class in found['SimAcc'].values() for right in by_class])
    if inter == 'centers':
        values['SimMargin'] = values['IntraSim'] - values['InterSim']
    return values, classes


@pytest.mark.parametrize('inter', ['mean', 'nearest', 'centers'])
@pytest.mark.parametrize('edge_k', [0, 1, 3])
def test_equals_the_definitions_in_loops_pooled_over_images(edge_k, inter):
    features = [torch.randn(4, *label.shape, dtype=torch.float64) for label in LABELS]
    similarity = FeatureSimilarity(3, edge_k=edge_k, inter=inter)
    for feature, label in zip(features, LABELS):
        similarity.update(feature, label)
    values, classes = loops(features, LABELS, edge_k, inter)
    assert 0 < values['SimAcc'] < 1
    computed = similarity.compute()
    assert {metric: computed[metric] for metric in METRICS} == pytest.approx(values, abs=1e-12)
    columns = similarity.per_class()
    for metric, by_class in classes.items():
        for c in range(3):
            assert columns[metric][c].item() == pytest.approx(by_class.get(c, math.nan), abs=1e-12, nan_ok=True)


def test_features_that_are_constant_in_each_class():
    """The three centres are 60 and 90 degrees apart; longer vectors change nothing."""
    label = LABELS[0]
    vectors = torch.tensor([[1, 0, 0], [0.5, 0.75**0.5, 0], [0, 0, 1]])
    feature = (vectors[label] * torch.rand(*label.shape, 1).add(0.5)).permute(2, 0, 1)
    for edge_k, pixels in ((0, 15), (1, 10)):
        for inter, others in (('mean', [0.25, 0.25, 0]), ('nearest', [0.5, 0.5, 0]), ('centers', [0.25, 0])):
            similarity = FeatureSimilarity(3, edge_k=edge_k, inter=inter)
            similarity.update(feature, label)
            other = sum(others) / len(others)
            expected = dict(IntraSim=1, InterSim=other, SimMargin=1 - other, SimAcc=1, mSimAcc=1, pixels=pixels)
            if edge_k:  # class 2 is one pixel wide: none of it is left to make a centre
                other = 0.5
                expected |= dict(InterSim=other, SimMargin=1 - other, pixels=pixels - 3)
            assert similarity.compute() == pytest.approx(expected, abs=1e-6), (edge_k, inter)


@pytest.mark.parametrize(
    'edge_k, band',
    [
        (1, ['...##...', '...##...', '..###...', '...###..', '........']),
        (3, ['..####..', '.#####..', '.######.', '........', '........']),
    ],
)
def test_a_boundary_band_drawn_by_hand(edge_k, band):
    label = grid('00001111', '00001111', '00011111', '00000111', '.......1')
    drawn = [['.#'[value] for value in row] for row in boundary_band(label, edge_k).int().tolist()]
    assert [''.join(row) for row in drawn] == band


def test_a_narrow_class_between_two_others_is_all_edge():
    """The Laplacian of 0 1 2 is zero in the middle; the pixel is an edge all the same."""
    assert boundary_band(grid('00001112', '00001122', '00001222'), edge_k=1)[1].tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    assert boundary_band(grid('012'), edge_k=1).all()
    assert not boundary_band(grid('0', '0', '.', '1', '1'), edge_k=3).any()


def test_ignored_pixels_do_not_matter():
    label = LABELS[3]
    feature = torch.randn(4, *label.shape)
    for edge_k in (0, 3):
        first, second = FeatureSimilarity(3, edge_k=edge_k), FeatureSimilarity(3, edge_k=edge_k, ignore_index=7)
        first.update(feature, label)
        second.update(torch.where(label == VOID, 100, feature), torch.where(label == VOID, 7, label))
        assert first.compute() == second.compute() and first.compute()['pixels'] > 0


def test_nothing_to_measure_is_nan_and_leaves_no_trace(recwarn):
    similarity, expected = FeatureSimilarity(3), FeatureSimilarity(3)
    similarity.update(torch.randn(4, 3, 5), torch.full((3, 5), VOID))
    assert similarity.compute() == pytest.approx(dict.fromkeys(METRICS, math.nan) | {'pixels': 0}, nan_ok=True)
    band = FeatureSimilarity(3, edge_k=3)
    band.update(torch.randn(4, 3, 5), LABELS[2])
    assert math.isnan(band.compute()['IntraSim'])
    feature = torch.randn(4, 3, 5)
    for one in (similarity, expected):
        one.update(feature, LABELS[0])
    assert similarity.compute() == expected.compute()
    alone = FeatureSimilarity(3)
    alone.update(feature, LABELS[2])  # one class
    values = alone.compute()
    assert 0 < values['IntraSim'] < 1 and math.isnan(values['SimMargin']) and math.isnan(values['SimAcc'])
    assert not recwarn.list


def test_zero_and_broken_features():
    similarity = FeatureSimilarity(3)
    similarity.update(torch.zeros(4, 3, 5), LABELS[0])
    assert similarity.compute() == pytest.approx(
        dict(IntraSim=0, InterSim=0, SimMargin=0, SimAcc=1, mSimAcc=1, pixels=15)
    )
    similarity.update(torch.full((4, 3, 5), math.nan), LABELS[0])
    assert math.isnan(similarity.compute()['IntraSim'])


@pytest.mark.parametrize('interpolation', ['bilinear', 'nearest'])
def test_the_feature_map_is_resized_to_the_label(interpolation):
    label, feature = LABELS[3], torch.randn(4, 3, 7)
    resized = F.interpolate(feature[None], label.shape, mode=interpolation)[0]
    first, second = (FeatureSimilarity(3, edge_k=1, interpolation=interpolation) for _ in range(2))
    first.update(feature, label)
    second.update(resized, label)
    assert first.compute() == second.compute()


@pytest.mark.parametrize(
    'dtype, scale', [(torch.float16, 1), (torch.bfloat16, 1), (torch.float32, 1e-9), (torch.float32, 1e9)]
)
def test_any_dtype_scale_and_number_of_channels(monkeypatch, dtype, scale):
    label, feature = LABELS[3], torch.randn(7, 3, 5)
    feature = feature.to(dtype).to(torch.float32)
    expected, similarity = FeatureSimilarity(3), FeatureSimilarity(3)
    expected.update(feature, label)
    monkeypatch.setattr(feature_similarity, 'VALUES_AT_ONCE', 2 * label.numel() + 1)  # two channels at a time
    similarity.update((feature * scale).to(dtype), label.to(torch.uint8))
    assert similarity.compute() == pytest.approx(expected.compute(), abs=1e-6)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(inter='max'), 'inter must be one of mean, nearest, centers'),
        (dict(interpolation='bicubic'), 'interpolation must be bilinear or nearest'),
        (dict(edge_k=4), 'edge_k must be 0 .* or odd'),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureSimilarity(3, **options)


@pytest.mark.parametrize(
    'feature, label, message',
    [
        (torch.zeros(1, 4, 3, 5), LABELS[0], r'wanted float features \[C, h, w\] and labels \[H, W\]'),
        (torch.zeros(4, 3, 5).long(), LABELS[0], 'wanted float features'),
        (torch.zeros(4, 3, 5), LABELS[0].float(), 'labels must be class numbers'),
        (torch.zeros(4, 3, 5), LABELS[0] + 1, 'labels must be 0 to 2, or 255 to be ignored, got 1 to 3'),
    ],
)
def test_wrong_inputs(feature, label, message):
    with pytest.raises(ValueError, match=message):
        FeatureSimilarity(3).update(feature, label)


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
