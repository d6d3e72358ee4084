"""The similarity of features to class centres against literal loops."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F

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
    'dtype, scale', [(torch.float16, 1), (torch.bfloat16, 1), (torch.float32, 1e-25), (torch.float32, 1e25)]
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
