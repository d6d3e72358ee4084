"""IndexNet against its definition."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from literal_squares import SIZES, assert_equal_results, grid, maps, pixel, randomised, squares

from freqfusion_mm.layers.upsamplers.indexnet import IndexNet

INDICES = [
    dict(index=index, nonlinear=nonlinear, context=context)
    for index in ('holistic', 'm2o', 'o2o')
    for nonlinear in (True, False)
    for context in (True, False)
]


def index_block(block, x, groups):
    """One strided block in training, [N, C, 2h, 2w] -> [N, C', h, w], a pixel at a time."""
    first = block[0] if isinstance(block, torch.nn.Sequential) else block
    kernel = first.weight.shape[-1]
    start = {2: 0, 4: -1}[kernel]

    def mixed(weight, values):  # [C', C/groups], [N, C] -> [N, C']
        return torch.cat([part @ some.T for part, some in zip(values.chunk(groups, 1), weight.chunk(groups, 0))], 1)

    def strided(y, c):
        return sum(
            mixed(first.weight[..., i, j], pixel(x, 2 * y + start + i, 2 * c + start + j))
            for i, j in itertools.product(range(kernel), repeat=2)
        )

    h, w = x.shape[-2] // 2, x.shape[-1] // 2
    out = grid(strided, h, w)
    if first is block:
        return out
    norm, last = block[1], block[3]
    mean = out.mean((0, 2, 3), keepdim=True)
    variance = (out - mean).square().mean((0, 2, 3), keepdim=True)
    out = (out - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    out = out.clamp(0, 6)
    return grid(lambda y, c: mixed(last.weight[..., 0, 0], out[..., y, c]), h, w)


def indexnet(layer, lr_feat, hr_feat):
    (h, w), (height, width) = lr_feat.shape[-2:], hr_feat.shape[-2:]
    _, _, even = squares(hr_feat)
    groups = hr_feat.shape[1] if layer.index == 'o2o' else 1
    logits = [index_block(block, even, groups) for block in layer.blocks]

    def one(y, x):
        place = 2 * (y % 2) + x % 2
        if layer.index == 'holistic':
            index = logits[0][:, place : place + 1, y // 2, x // 2]
        else:
            index = logits[place][:, :, y // 2, x // 2]
        return lr_feat[..., y * h // height, x * w // width] / (1 + (-index).exp())

    return grid(one, height, width)


@pytest.mark.parametrize('options', INDICES, ids=lambda options: '-'.join(map(str, options.values())))
@pytest.mark.parametrize('size, fine', [((2, 3), (4, 6)), ((3, 2), (7, 3))])
def test_every_indexnet_is_its_definition(options, size, fine, assert_same):
    layer = randomised(IndexNet(4, 4, **options))
    assert_equal_results(layer, indexnet, *maps(size, fine), assert_same)


@pytest.mark.parametrize('size, fine', SIZES)
def test_indexnet_is_its_definition_at_any_size(size, fine, assert_same):
    layer = randomised(IndexNet(3, 4))
    assert_equal_results(layer, indexnet, *maps(size, fine, lr_channels=3), assert_same)


def test_index_of_constant_logits(assert_same):
    """Zero logits halve the map; the four weights of a linear block are the four pixels of a square, row by row."""
    layer = IndexNet(2, 1, nonlinear=False, context=False).double()
    lr_feat, hr_feat = torch.randn(1, 2, 2, 3, dtype=torch.float64), torch.ones(1, 1, 4, 6, dtype=torch.float64)
    layer.blocks[0].weight.data.zero_()
    assert_same(layer(lr_feat, hr_feat), F.interpolate(lr_feat, scale_factor=2) / 2)
    wanted = torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64)
    layer.blocks[0].weight.data[..., 0, 0] = wanted.logit().flatten()[:, None]
    assert_same(layer(torch.ones_like(lr_feat), hr_feat), wanted.repeat(2, 3).expand(1, 2, 4, 6))


def test_indexnet_samples_are_independent_in_evaluation(assert_same):
    layer, (lr_feat, hr_feat) = randomised(IndexNet(4, 4)).eval(), maps((2, 3), (5, 7), batch=3)
    assert_same(layer(lr_feat, hr_feat)[1:2], layer(lr_feat[1:2], hr_feat[1:2]))


def test_indexnet_has_the_published_parameters():
    """SegFormer-B1 with six +12.60 M, an FPN with three +6.30 M."""
    count = sum(parameter.numel() for parameter in IndexNet(256, 256).parameters())
    assert (f'{6 * count / 1e6:.2f}', f'{3 * count / 1e6:.2f}') == ('12.60', '6.30')


def authors_indexnet(channels, index, nonlinear, context):
    """State dict in the authors' names, of the shapes that the paper's blocks have."""
    k, width = 4 if context else 2, 2 * channels if index == 'holistic' else channels
    fan, out = 1 if index == 'o2o' else channels, 4 if index == 'holistic' else channels
    state = {}
    for name in ['indexnet'] if index == 'holistic' else [f'indexnet{i}' for i in range(1, 5)]:
        if not nonlinear:
            state[f'{name}.weight'] = torch.randn(out, fan, k, k)
            continue
        state[f'{name}.0.weight'] = torch.randn(width, fan, k, k)
        state |= {f'{name}.1.{key}': torch.rand(width) for key in ('weight', 'bias', 'running_mean', 'running_var')}
        state[f'{name}.1.num_batches_tracked'] = torch.tensor(7)
        state[f'{name}.3.weight'] = torch.randn(out, 1 if index == 'o2o' else width, 1, 1)
    return state


@pytest.mark.parametrize('options', INDICES, ids=lambda options: '-'.join(map(str, options.values())))
def test_indexnet_takes_the_authors_keys(options):
    layer = torch.nn.ModuleDict(dict(upsample=IndexNet(6, 6, **options)))
    state = authors_indexnet(6, **options)
    layer.load_state_dict({f'upsample.{key}': value for key, value in state.items()})
    loaded = layer['upsample'].state_dict()
    assert len(loaded) == len(state)
    for key, value in state.items():
        number = int(key.split('.')[0].removeprefix('indexnet') or 1) - 1
        assert torch.equal(loaded[f'blocks.{number}.{key.partition(".")[2]}'], value)


def test_indexnet_with_one_square_needs_two_samples_to_train():
    layer, pair = IndexNet(4, 4), (torch.randn(1, 4, 1, 1), torch.randn(1, 4, 2, 2))
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        layer(*pair)
    assert layer.eval()(*pair).shape == (1, 4, 2, 2)
