"""ResNet, VGG and SegNet with chosen poolings, and DeepLabV3+'s head with unpoolings."""

import copy

import pytest
import torch

pytest.importorskip('mmengine', reason='backbones are modules of mmengine')

from mmengine.model import BaseModule  # noqa: E402
from mmengine.registry import MODELS  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis import load_config  # noqa: E402
from freqfusion_mm.layers import POOLS, LiftDownPool  # noqa: E402
from freqfusion_mm.models.backbones import PooledResNet, PooledVGG, SegNet  # noqa: E402
from freqfusion_mm.models.fusions import KeptInit  # noqa: E402

LIFT = dict(type='lift')
STOCK_RESNET = {18: 11_176_512, 34: 21_284_672, 50: 23_508_032}  # torchvision's, without the classifier


def params(model):
    return sum(parameter.numel() for parameter in model.parameters())


def gradients(model, loss):
    loss.backward()
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    ]


def assert_one_network(ours, theirs, image, assert_same):
    """With the weights of the stock network, drawn anew."""
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ours.load_state_dict(theirs.state_dict())
    for mine, stock in zip(ours(image), theirs(image)):
        assert_same(mine, stock)


@pytest.mark.parametrize('depth', STOCK_RESNET)
def test_resnet_has_the_weights_of_the_stock_one(depth):
    stock = PooledResNet(depth)
    assert params(stock) == STOCK_RESNET[depth]
    lifted = PooledResNet(depth, LIFT, ('stem', 'max_pool', 'layer2', 'layer3', 'layer4'))
    ours = {name: value.shape for name, value in lifted.state_dict().items() if not name.startswith('pools.')}
    assert ours == {name: value.shape for name, value in stock.state_dict().items()}
    names = set(ours)
    assert {
        'conv1.weight',
        'bn1.running_var',
        'layer1.0.conv1.weight',
        'layer2.0.downsample.0.weight',
        'layer2.0.downsample.1.bias',
        'layer4.1.bn2.weight',
    } <= names


@pytest.mark.parametrize(
    'depth, dilated, dilations', [(18, 0, (1, 1, 1, 1)), (50, 1, (1, 1, 1, 2)), (50, 2, (1, 1, 2, 4))]
)
def test_resnet_is_that_of_mmseg(depth, dilated, dilations, assert_same):
    backbones = pytest.importorskip('mmseg.models.backbones')
    strides = (1, 2, 2, 2)[: 4 - dilated] + (1,) * dilated
    theirs = backbones.ResNet(
        depth, base_channels=8, stem_channels=8, strides=strides, dilations=dilations, contract_dilation=True
    )
    theirs.eval()
    ours = PooledResNet(depth, dilated_stages=dilated, base_channels=8).eval()
    assert_one_network(ours, theirs, torch.rand(1, 3, 75, 66), assert_same)


@pytest.mark.parametrize('config', ['faster-rcnn_r50_fpn_1x_coco', 'faster-rcnn_r50-caffe_fpn_1x_coco'])
def test_resnet_takes_the_keywords_of_mmdetections_configs(config, assert_same):
    pytest.importorskip('mmdet', reason='the stock network is that of mmdetection')
    from mmdet.models.backbones import ResNet

    line = load_config(f'mmdet::faster_rcnn/{config}.py').model.backbone.to_dict()
    assert line.pop('type') in ('ResNet', 'mmdet.ResNet') and line.pop('init_cfg')['type'] == 'Pretrained'
    theirs, ours = ResNet(**line), PooledResNet(**line)
    for net in (theirs, ours):
        net.train()  # that of mmdet returns nothing
    image = torch.rand(1, 3, 65, 66)
    assert_one_network(ours, theirs, image, assert_same)
    trained = [{name for name, each in net.named_parameters() if each.requires_grad} for net in (ours, theirs)]
    assert trained[0] == trained[1]
    lifted = PooledResNet(pool_cfg=LIFT, **line)
    assert [feat.shape for feat in lifted(image)] == [feat.shape for feat in ours(image)]
    assert not set(theirs.state_dict()) - set(lifted.state_dict())


@pytest.mark.parametrize('kind', POOLS)
@pytest.mark.parametrize('size', [(64, 96), (67, 45)])
def test_resnet_with_every_pooling(kind, size):
    stock = PooledResNet(18, base_channels=4)
    net = PooledResNet(18, dict(type=kind), base_channels=4, return_memory=True)
    *maps, memory = net(torch.rand(2, 3, *size))
    assert [feat.shape for feat in maps] == [feat.shape for feat in stock(torch.rand(2, 3, *size))]
    assert net.memory_channels == [4, 4, 8, 16]
    halves = [[-(-length // 2**i) for length in size] for i in range(1, 5)]
    assert [list(remembered.size) for remembered in memory] == halves
    assert gradients(net, sum(feat.square().mean() for feat in maps)) == []


def test_only_the_named_places_are_replaced():
    net = PooledResNet(18, LIFT, ('layer3', 'max_pool'), base_channels=8, return_memory=True)
    assert list(net.pools) == ['max_pool', 'layer3'] and net.memory_channels == [8, 16]
    assert net.layer2[0].conv1.stride == (2, 2) and net.layer3[0].conv1.stride == (1, 1)
    assert net.layer3[0].downsample[0].stride == (1, 1)
    assert [len(out) if isinstance(out, tuple) else out.shape[-1] for out in net(torch.rand(1, 3, 64, 64))] == [
        16,
        8,
        4,
        2,
        2,
    ]
    dilated = PooledResNet(50, LIFT, dilated_stages=1, base_channels=8)
    assert list(dilated.pools) == ['max_pool', 'layer2', 'layer3']
    assert dilated(torch.rand(1, 3, 64, 64))[-1].shape[-1] == 4


def test_bottleneck_and_shortcut_see_one_pooled_map():
    net = PooledResNet(50, dict(type='average'), ('layer2',), base_channels=8).eval()
    seen = []
    for conv in (net.layer2[0].conv1, net.layer2[0].downsample[0]):
        conv.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(torch.rand(1, 3, 40, 40))
    assert len(seen) == 2 and torch.equal(*seen) and seen[0].shape[-1] == 5


def test_blur_takes_the_maximum_in_place_of_the_max_pooling_only():
    pools = PooledResNet(18, dict(type='blur'), base_channels=4).pools
    assert {place: pool.maximum for place, pool in pools.items()} == {
        'max_pool': True,
        'layer2': False,
        'layer3': False,
        'layer4': False,
    }
    pools = PooledResNet(18, dict(type='blur', maximum=True), base_channels=4).pools
    assert all(pool.maximum for pool in pools.values())  # as the config says


def test_cifar_stem():
    net = PooledResNet(18, LIFT, stem='cifar', base_channels=8, out_indices=(3,))
    assert list(net.pools) == ['layer2', 'layer3', 'layer4']
    assert net(torch.rand(2, 3, 32, 32))[0].shape == (2, 64, 4, 4)


def test_frozen_stages_keep_their_poolings_trainable():
    net = PooledResNet(18, LIFT, base_channels=4, frozen_stages=1, norm_eval=True).train()
    frozen = {name.split('.')[0] for name, parameter in net.named_parameters() if not parameter.requires_grad}
    assert frozen == {'conv1', 'bn1', 'layer1'}
    assert gradients(net, net(torch.rand(2, 3, 64, 64))[-1].square().sum()) == []
    assert not net.layer4[0].bn1.training and net.layer4.training
    net = PooledResNet(18, LIFT, base_channels=4, frozen_stages=1).train()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net(torch.rand(2, 3, 64, 64))
    counted = {name.split('.')[0] for name, buffer in net.named_buffers() if not torch.equal(buffer, before[name])}
    assert counted == {'layer2', 'layer3', 'layer4'}  # the statistics of what is frozen stay, too


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(depth=20), 'depth must be one of'),
        (dict(stem='caffe'), 'stem must be'),
        (dict(dilated_stages=3), 'dilated_stages'),
        (dict(out_indices=(4,)), 'out_indices'),
        (dict(num_stages=3, out_indices=(3,)), 'out_indices must be some of 0 to 2'),
        (dict(num_stages=5), 'num_stages must be 1 to 4'),
        (dict(style='tensorflow'), "style must be 'pytorch' or 'caffe'"),
        (dict(frozen_stages=5), 'frozen_stages'),
        (dict(pool_at=('layer2',)), 'needs a pool_cfg'),
        (dict(pool_cfg=LIFT, pool_at=('layer1',)), 'halves a map'),
        (dict(pool_cfg=LIFT, pool_at=('layer4',), dilated_stages=1), 'halves a map'),
        (dict(pool_cfg=LIFT, pool_at='layer2'), 'halves a map'),
        (dict(pool_cfg=LIFT, pool_at=('max_pool',), stem='cifar'), 'halves a map'),
        (dict(return_memory=True), 'set pool_cfg'),
        (dict(pool_cfg=dict(type='lift', output='concat')), 'must keep the 64 channels'),
        (dict(pool_cfg=dict(type='median')), 'unknown type'),
    ],
)
def test_resnet_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        PooledResNet(**{'depth': 18, **options})


@pytest.mark.parametrize(
    'make', [lambda cfg: PooledResNet(18, cfg, base_channels=4), lambda cfg: PooledVGG(11, cfg, base_channels=4)]
)
def test_the_poolings_keep_their_own_start(make):
    net = make(dict(type='lift', variant='linear', init='haar'))
    net.init_weights()
    pool = next(module for module in net.modules() if isinstance(module, LiftDownPool))
    assert torch.equal(pool.lifting.updater.spatial.weight.sum(-1).unique(), torch.tensor([0.5]))


def test_vgg_has_the_weights_of_the_stock_one():
    net = PooledVGG(16)
    assert params(net) == 14_723_136  # torchvision's vgg16_bn without the classifier: 14 714 688 and 8448 of the norms
    convs = [index for index, layer in enumerate(net.features) if isinstance(layer, torch.nn.Conv2d)]
    assert convs == [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40]  # torchvision's
    lifted = PooledVGG(16, LIFT).state_dict()
    assert {name for name in lifted if 'lifting' not in name} == set(net.state_dict())
    assert {name.split('.')[1] for name in lifted if 'lifting' in name} == {'6', '13', '23', '33', '43'}


@pytest.mark.parametrize('kind', POOLS)
def test_vgg_with_every_pooling(kind):
    net = PooledVGG(11, dict(type=kind), base_channels=4, out_indices=(0, 2, 4), return_memory=True)
    *maps, memory = net(torch.rand(2, 3, 67, 90))
    assert [tuple(feat.shape[1:]) for feat in maps] == [(4, 34, 45), (16, 9, 12), (32, 3, 3)]
    assert net.out_channels == [4, 16, 32] and net.memory_channels == [4, 8, 16, 32, 32]
    assert [remembered.size for remembered in memory] == [(67, 90), (34, 45), (17, 23), (9, 12), (5, 6)]
    assert gradients(net, maps[-1].square().sum()) == []


@pytest.mark.parametrize(
    'pool_cfg, unpool_cfg',
    [
        (dict(type='max'), dict(type='max_unpool')),
        (LIFT, dict(type='lift', tied=True)),
        (LIFT, dict(type='lift')),
        (dict(type='blur'), dict(type='interpolate')),
        (dict(type='wavelet'), dict(type='lift')),
        (dict(type='conv'), dict(type='interpolate', mode='nearest')),
    ],
)
@pytest.mark.parametrize('size', [(64, 64), (45, 71)])
def test_segnet(pool_cfg, unpool_cfg, size):
    net = SegNet(11, pool_cfg, unpool_cfg, base_channels=4)
    (out,) = net(torch.rand(2, 3, *size))
    assert out.shape == (2, 4, *size) and net.out_channels == [4]
    assert gradients(net, out.square().mean()) == []


def test_segnet_mirrors_the_encoder():
    net = SegNet(16, base_channels=2)
    widths = [[conv.out_channels for conv in stage if isinstance(conv, torch.nn.Conv2d)] for stage in net.decoder]
    assert widths == [[16, 16, 16], [16, 16, 8], [8, 8, 4], [4, 2], [2, 2]]
    assert set(PooledVGG(16, base_channels=2).state_dict()) <= set(net.state_dict())


def test_tied_segnet_shares_filters_and_reloads():
    net = SegNet(11, LIFT, dict(type='lift', tied=True), base_channels=4).eval()
    assert [unpool.lifting is pool.lifting for unpool, pool in zip(net.unpools, net.pools[::-1])] == [True] * 5
    assert params(net) < params(SegNet(11, LIFT, dict(type='lift'), base_channels=4))
    other = SegNet(11, LIFT, dict(type='lift', tied=True), base_channels=4).eval()
    other.load_state_dict(net.state_dict())
    image = torch.rand(1, 3, 40, 40)
    assert torch.equal(other(image)[0], net(image)[0])
    copied = copy.deepcopy(net)
    assert copied.unpools[0].lifting is copied.pools[-1].lifting


def test_segnet_says_what_is_wrong():
    with pytest.raises(ValueError, match='tied=True needs'):
        SegNet(11, dict(type='max'), dict(type='lift', tied=True))
    with pytest.raises(TypeError, match='max_unpool needs'):
        SegNet(11, LIFT, dict(type='max_unpool'), base_channels=4)(torch.rand(2, 3, 64, 64))
    with pytest.raises(ValueError, match='depth'):
        SegNet(12)


@pytest.mark.parametrize('name', ['PooledResNet', 'PooledVGG', 'SegNet'])
def test_backbones_are_in_the_root_registry(name):
    assert MODELS.module_dict[name].__module__.startswith('freqfusion_mm')


HEAD = dict(
    in_channels=64,
    in_index=3,
    channels=12,
    num_classes=5,
    dilations=(1, 2, 3),
    c1_in_channels=8,
    c1_channels=4,
    align_corners=False,
)


def head_class(name):
    return getattr(
        pytest.importorskip(
            'freqfusion_mm.models.decode_heads', reason='heads are those of mmseg', exc_type=ImportError
        )
        if name == 'FusionSepASPPHead'
        else pytest.importorskip('mmseg.models.decode_heads'),
        name,
    )


def test_interpolation_is_the_stock_head(assert_same):
    stock = head_class('DepthwiseSeparableASPPHead')(**HEAD).eval()
    ours = head_class('FusionSepASPPHead')(**HEAD, upsample_cfg=dict(type='bilinear')).eval()
    ours.load_state_dict(stock.state_dict())
    maps = PooledResNet(18, dilated_stages=1, base_channels=8).eval()(torch.rand(2, 3, 67, 90))
    assert_same(ours(maps), stock(maps))
    memory = PooledResNet(18, LIFT, dilated_stages=1, base_channels=8, return_memory=True)(torch.rand(2, 3, 67, 90))
    assert ours(memory).shape == (2, 5, 17, 23)


@pytest.mark.parametrize('size', [(64, 96), (67, 45)])
@pytest.mark.parametrize('dilated, steps', [(1, 3), (2, 2), (0, 4)])
def test_head_climbs_the_poolings(size, dilated, steps):
    net = PooledResNet(18, LIFT, dilated_stages=dilated, base_channels=8, return_memory=True)
    head = head_class('FusionSepASPPHead')(**HEAD, upsample_cfg=LIFT, memory_channels=net.memory_channels)
    assert len(head.unpools) == steps
    logits = head(net(torch.rand(2, 3, *size)))
    assert logits.shape == (2, 5, *(-(-length // 2) for length in size))
    unused = gradients(torch.nn.ModuleList([net, head]), logits.square().sum())
    assert unused == []


def test_head_says_what_is_wrong():
    head = head_class('FusionSepASPPHead')
    with pytest.raises(ValueError, match='memory_channels'):
        head(**HEAD, upsample_cfg=LIFT)
    with pytest.raises(ValueError, match='low-level map'):
        head(**{**HEAD, 'c1_in_channels': 0}, upsample_cfg=LIFT, memory_channels=[8, 8, 16])
    with pytest.raises(ValueError, match='tied=True needs'):
        head(**HEAD, upsample_cfg=dict(type='lift', tied=True), memory_channels=[8, 8, 16])
    maps = PooledResNet(18, LIFT, dilated_stages=1, base_channels=8)(torch.rand(2, 3, 64, 64))
    with pytest.raises(ValueError, match='return_memory=True'):
        head(**HEAD, upsample_cfg=LIFT, memory_channels=[8, 8, 16])(maps)


@pytest.mark.parametrize('net, options', [(PooledResNet, dict(depth=18)), (PooledVGG, dict(depth=11))])
@pytest.mark.parametrize('name', ['lift', 'wavelet'])
def test_poolings_keep_their_start(net, options, name, tmp_path):
    """Those of a fixed wavelet would be no wavelet for the rest of the training."""
    options = dict(options, pool_cfg=dict(type=name), base_channels=4)

    def pools(model):
        return {key: value for key, value in model.state_dict().items() if 'lifting' in key}

    model = net(**options, init_cfg=dict(type='Kaiming', layer='Conv2d'))
    start, stock = copy.deepcopy(pools(model)), copy.deepcopy(model.state_dict())
    model.init_weights()
    assert start and all(torch.equal(value, start[key]) for key, value in pools(model).items())
    first = next(iter(stock))
    assert not torch.equal(stock[first], model.state_dict()[first])
    for value in pools(model).values():
        value.fill_(0.25)
    torch.save(model.state_dict(), tmp_path / 'trained.pth')
    loaded = net(**options, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth')))
    loaded.init_weights()
    assert all((value == 0.25).all() for value in pools(loaded).values())


def test_a_checkpoint_reaches_what_keeps_its_start(tmp_path):
    class Host(KeptInit, BaseModule):
        def __init__(self, init_cfg=None):
            super().__init__(init_cfg)
            self.stock, self.fusions = torch.nn.Conv2d(2, 2, 1), torch.nn.ModuleList([torch.nn.Conv2d(2, 2, 1)])

    trained = Host()
    torch.save(trained.state_dict(), tmp_path / 'trained.pth')
    loaded = Host(dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth')))
    loaded.init_weights()
    for name, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    for weight in loaded.parameters():
        torch.nn.init.ones_(weight)
    loaded.init_weights()  # mmengine initialises once, whoever asks again
    assert all((weight == 1).all() for weight in loaded.parameters())
