"""Fusions found and recorded, colours, maps of similarity: against what they are said to be."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from freqfusion_mm.evaluation.analysis.feature_similarity import FeatureSimilarity
from freqfusion_mm.evaluation.analysis.fusion_calls import (
    find_fusions,
    find_pools,
    recorded_bands,
    recorded_fusions,
)
from freqfusion_mm.evaluation.analysis.fusion_views import band_energies, bilinear, view_fusion
from freqfusion_mm.evaluation.analysis.joint_pca import JointPCA
from freqfusion_mm.evaluation.analysis.similarity_maps import similarity_maps
from freqfusion_mm.layers import Fuse, LiftDownPool, build_fusion, build_pool


class Net(nn.Module):
    def __init__(self, *fusions):
        super().__init__()
        self.fusions = nn.ModuleList(build_fusion(each, 8, 8) for each in fusions)
        self.act = nn.ReLU(inplace=True)

    def forward(self, lr_feat, hr_feat):
        outs = [fusion(lr_feat, hr_feat=hr_feat) for fusion in self.fusions]
        return [(self.act(lr_up), hr_feat) for lr_up, hr_feat in outs]


def test_finds_the_outermost():
    net = nn.ModuleDict(dict(neck=Net('carafe', 'FreqFusion'), fuse=Fuse('SAPA', lr_channels=4, hr_channels=4)))
    assert list(find_fusions(net)) == ['neck.fusions.0', 'neck.fusions.1', 'fuse.fusion']
    assert find_fusions(nn.Conv2d(1, 1, 1)) == {}
    assert list(find_fusions(build_fusion('carafe', 8, 8))) == ['']


def test_records_copies_of_the_first_sample():
    net = Net('carafe', 'FreqFusion')
    lr_feat, hr_feat = torch.randn(2, 8, 5, 6), torch.randn(2, 8, 10, 12)
    expected = [fusion(lr_feat, hr_feat) for fusion in net.fusions]
    with torch.no_grad(), recorded_fusions(net) as calls:
        net(lr_feat, hr_feat)
        lr_feat.zero_()
    assert [(call.name, call.method) for call in calls] == [('fusions.0', 'CARAFE'), ('fusions.1', 'FreqFusion')]
    for call, (lr_up, sharpened) in zip(calls, expected):
        assert torch.equal(call.lr_up, lr_up[:1])  # negative values too: the ReLU after it worked in place
        assert torch.equal(call.hr_feat, hr_feat[:1]) and call.lr_feat.abs().sum() > 0
        assert call.hr_out is None if call.method == 'CARAFE' else torch.equal(call.hr_out, sharpened[:1])
    net(lr_feat, hr_feat)
    assert len(calls) == 2


def test_maps_are_told_by_their_names():
    fusion, lr_feat, hr_feat = build_fusion('carafe', 8, 8), torch.randn(1, 8, 5, 6), torch.randn(1, 8, 10, 12)
    with torch.no_grad(), recorded_fusions(fusion) as calls:
        fusion(hr_feat=hr_feat, lr_feat=lr_feat)
    assert torch.equal(calls[0].lr_feat, lr_feat) and torch.equal(calls[0].hr_feat, hr_feat)


def test_a_look_inside_leaves_no_trace():
    net = Net('IndexNet').train()
    with recorded_fusions(net) as calls:
        net(torch.randn(2, 8, 5, 6), torch.randn(2, 8, 10, 12))
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    assert before and calls[0].inside().factor.shape == (1, 1, 10, 12)
    assert all(torch.equal(before[name], buffer) for name, buffer in net.named_buffers())


def test_half_precision():
    net = Net('carafe').to(torch.bfloat16)
    with torch.no_grad(), recorded_fusions(net) as calls:
        net(torch.randn(1, 8, 5, 6).bfloat16(), torch.randn(1, 8, 10, 12).bfloat16())
    assert calls[0].lr_up.dtype == torch.float32
    assert calls[0].inside().kernels.shape == (1, 1, 5, 5, 10, 12)


def test_bands():
    pools = nn.ModuleList([LiftDownPool(4), build_pool(dict(type='wavelet'), 4), build_pool(dict(type='average'), 4)])
    feat = torch.randn(2, 4, 7, 6)
    with recorded_bands(pools) as bands:
        _, expected = pools[0].split(feat)
        pools[1](feat)
    assert list(bands) == list(find_pools(pools)) == ['0', '1']
    assert all(torch.equal(band, whole[:1]) for band, whole in zip(bands['0'][:4], expected[:4]))
    assert bands['0'].size == (7, 6)
    pools[0].split(torch.zeros_like(feat))
    assert bands['0'].ll.abs().sum() > 0 and 'decompose' not in vars(pools[0].lifting)

    energies, powers = band_energies(bands['0']), {}
    for name, band in zip(('LL', 'LH', 'HL', 'HH'), bands['0'][:4]):
        powers[name] = 0.0
        for channel in band[0]:
            mean = float(channel.mean()) if name == 'LL' else 0.0
            powers[name] += sum((float(value) - mean) ** 2 for value in channel.flatten())
    assert energies == pytest.approx({name: power / sum(powers.values()) for name, power in powers.items()}, rel=1e-4)


def test_joint_pca():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(5, 5)) * np.array([5.0, 3.0, 2.0, 0.1, 0.1])[:, None]
    first, second = (np.einsum('ck,khw->chw', base.T, rng.normal(size=(5, 9, 8))) for _ in range(2))
    second = 40 * second + 7  # another level and strength
    palette = JointPCA([[first], [second]])
    centred = []
    for each in (first, second):
        points = [each[:, y, x] for y in range(9) for x in range(8)]
        mean = sum(points) / len(points)
        scale = math.sqrt(sum(((p - mean) ** 2).sum() for p in points) / (len(points) * 5))
        centred.append(np.array([(p - mean) / scale for p in points]))
    stacked = np.concatenate(centred)
    axes = np.linalg.svd(stacked)[2][:3]
    axes *= np.sign([axis[np.abs(axis).argmax()] for axis in axes])[:, None]
    np.testing.assert_allclose(np.abs(palette.axes.T @ axes.T), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(palette.axes.T, axes, atol=1e-6)
    scores = stacked @ axes.T
    low, high = np.percentile(scores, [2, 98], axis=0)
    for group, each in enumerate((first, second)):
        shades = np.clip((centred[group] @ axes.T - low) / (high - low), 0, 1).reshape(9, 8, 3)
        assert np.abs(palette(each, group).astype(int) - np.rint(255 * shades)).max() <= 1
    assert 0.99 < palette.explained <= 1


def test_joint_pca_counts_every_map_alike():
    """Of a map whose rows are repeated every pixel has less weight, within a group and between groups."""
    first, second = np.random.default_rng(0).normal(size=(2, 4, 6, 7)) * np.array([5.0, 3.0, 2.0, 1.0])[:, None, None]
    second = second[::-1] + 1
    tall = second.repeat(3, axis=1)
    for groups, repeated in (([[first], [second]], [[first], [tall]]), ([[first, second]], [[first, tall]])):
        expected, found = JointPCA(groups), JointPCA(repeated)
        for name in ('axes', 'means', 'scales', 'explained'):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), err_msg=name)


def test_joint_pca_of_few_channels():
    picture = JointPCA([[np.random.default_rng(0).normal(size=(2, 4, 4))]])(np.zeros((2, 3, 3)))
    assert picture.shape == (3, 3, 3) and (picture[..., 2] == 128).all()
    assert JointPCA([[np.ones((4, 2, 2))]])(np.ones((4, 2, 2))).shape == (2, 2, 3)
    with pytest.raises(ValueError, match=r'one number of channels.*\[2, 3\]'):
        JointPCA([[np.zeros((2, 2, 2)), np.zeros((3, 2, 2))]])


def test_similarity_maps():
    feat = torch.randn(3, 6, 7, dtype=torch.float64)
    label = torch.randint(0, 4, (6, 7))
    label[label == 3] = 255
    consistency, margin = similarity_maps(feat, label)
    centres = {}
    for number in range(3):
        members = [feat[:, y, x] for y in range(6) for x in range(7) if label[y, x] == number]
        centres[number] = sum(members) / len(members)
    for y in range(6):
        for x in range(7):
            own = int(label[y, x])
            if own == 255:
                assert math.isnan(consistency[y, x]) and math.isnan(margin[y, x])
                continue
            cosine = {
                number: float(feat[:, y, x] @ centre / feat[:, y, x].norm() / centre.norm())
                for number, centre in centres.items()
            }
            others = [value for number, value in cosine.items() if number != own]
            assert consistency[y, x] == pytest.approx(cosine[own])
            assert margin[y, x] == pytest.approx(cosine[own] - sum(others) / len(others))


def test_similarity_maps_and_the_measure_agree():
    feat, label = torch.randn(3, 4, 5), torch.randint(0, 3, (8, 10))
    consistency, margin = similarity_maps(feat, label)
    measure = FeatureSimilarity(3)
    measure.update(feat, label)
    for name, each in (('IntraSim', consistency), ('SimMargin', margin)):
        by_class = [float(each[label == number].mean()) for number in range(3)]
        assert measure.compute()[name] == pytest.approx(sum(by_class) / 3, rel=1e-5)


def test_similarity_maps_of_one_class_and_of_none():
    consistency, margin = similarity_maps(torch.rand(2, 3, 3), torch.full((3, 3), 7))
    assert consistency.isfinite().all() and margin.isnan().all()
    with pytest.raises(ValueError, match='every pixel of the label is 255'):
        similarity_maps(torch.rand(2, 3, 3), torch.full((3, 3), 255))


@torch.no_grad()
def test_view():
    net = Net('FreqFusion').eval()
    with recorded_fusions(net) as calls:
        net(torch.randn(1, 8, 5, 6), torch.randn(1, 8, 10, 12))
    label = torch.randint(0, 2, (20, 24))
    view = view_fusion(calls[0], label, num_classes=2)
    smooth = bilinear(view.before, (10, 12))
    expected = np.zeros((10, 12))
    for y in range(10):
        for x in range(12):
            expected[y, x] = math.sqrt(sum((view.after[c, y, x] - smooth[c, y, x]) ** 2 for c in range(8)) / 8)
    np.testing.assert_allclose(view.change, expected, rtol=1e-5)
    assert view.fine_change.shape == (10, 12) and view.kernels().shape == (10, 12, 1, 5, 5)
    assert view.kernels('highpass').shape == (10, 12, 1, 3, 3) and view.offsets().shape == (10, 12, 4, 2)
    assert view.bandwidth().shape == view.entropy().shape == (10, 12)
    assert view.entropy().mean() == pytest.approx(view.numbers['kernel_entropy'], rel=1e-4)
    assert view.consistency.shape == view.margin.shape == (20, 24)
    assert set(view.similarity) == {'whole image', 'boundary band (5)'}
    assert {'high_frequency', 'high_frequency_bilinear', 'outside'} < set(view.numbers)


@torch.no_grad()
@pytest.mark.parametrize('kind', ['carafe', 'SAPA'])
def test_a_size_without_a_map_is_no_fine_map(kind):
    pytest.importorskip('mmengine', reason='a part of models')
    from freqfusion_mm.models.self_guided import SelfGuided

    alone = SelfGuided(build_fusion(kind, 8, 8, keep_hr=False)).eval()
    with recorded_fusions(alone) as calls:
        alone(torch.randn(1, 8, 5, 6))
    view = view_fusion(calls[0])
    assert view.after.shape == (8, 10, 12)
    assert (view.fine_before is None) == (kind == 'carafe')


@torch.no_grad()
def test_a_fine_map_of_zeros_that_is_sharpened_is_one():
    with recorded_fusions(net := Net('FreqFusion').eval()) as calls:
        net(torch.randn(1, 8, 5, 6), torch.zeros(1, 8, 10, 12))
    assert view_fusion(calls[0]).fine_change.max() == 0
