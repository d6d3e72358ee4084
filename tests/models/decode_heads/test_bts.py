"""BTS: planes against their definition, the published parameters, sizes, a training step with every row's upsampler."""

from pathlib import Path

import pytest
import torch
from small_upsamplers import CFGS

pytest.importorskip('mmseg')

from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from mmseg.utils import register_all_modules  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.layers.planar_guidance import PlanarGuidance, planar_depth  # noqa: E402
from freqfusion_mm.models.backbones.resnet_with_stem import ResNetWithStem  # noqa: E402
from freqfusion_mm.models.decode_heads import FusionBTSHead  # noqa: E402

ROOT = Path(__file__).resolve().parents[3] / 'configs' / 'upsamplers'
ROWS = {path.stem.split('_')[2]: path for path in sorted(ROOT.glob('bts_*.py'))}


@pytest.fixture(autouse=True)
def mmseg_scope():
    register_all_modules(init_default_scope=False)
    DefaultScope.get_instance('test_bts', scope_name='mmseg')
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def test_planes_against_literal_loops():
    planes = torch.rand(2, 4, 3, 2, dtype=torch.float64) + torch.tensor([0, 0, 1, 1]).view(1, 4, 1, 1)
    depth = planar_depth(planes, 4)
    for b, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(12), torch.arange(8)).tolist():
        n1, n2, n3, distance = planes[b, :, y // 4, x // 4]
        u, v = ((x % 4) - 1.5) / 4, ((y % 4) - 1.5) / 4
        torch.testing.assert_close(depth[b, 0, y, x], distance / (n1 * u + n2 * v + n3))
    with pytest.raises(ValueError, match=r'planes must be \[B, 4, h, w\]'):
        planar_depth(planes[:, :3], 2)
    with pytest.raises(ValueError, match='8 or more, got 4'):
        PlanarGuidance(16, 4, 2, 10.0)


def test_a_plane_has_one_inverse_depth_gradient():
    """1 / depth of a plane is linear in the image."""
    torch.manual_seed(0)
    inverse = 1 / PlanarGuidance(16, 16, ratio=8, max_depth=10.0)(torch.randn(1, 16, 1, 1))[0, 0]
    assert (inverse > 0.1 * 0.5 * (1 - 3**0.5)).all()
    torch.testing.assert_close(inverse[1:] - inverse[:-1], (inverse[1:2] - inverse[:1]).expand(7, 8))


def test_angles_and_distance_are_parts_of_their_ranges():
    guidance = PlanarGuidance(8, 8, ratio=2, max_depth=10.0)
    guidance.reduce = torch.nn.Identity()
    parts = torch.tensor([0.5, 0.75, 0.5]).logit().view(1, 3, 1, 1)  # polar 30 degrees, azimuth 270, distance 5
    rows = 5 / (-0.5 * torch.tensor([-0.25, 0.25]) + 3**0.5 / 2)
    torch.testing.assert_close(guidance(parts)[0, 0], rows[:, None].expand(2, 2))


def small(name):
    cfg = Config.fromfile(ROWS[name]).model
    cfg.backbone.update(depth=18, stem_channels=8, base_channels=8, init_cfg=None)
    cfg.decode_head.update(in_channels=[8, 8, 16, 32, 64], channels=256)
    return MODELS.build(cfg)


@pytest.mark.parametrize('name', ROWS)
def test_one_loss_step(name):
    torch.manual_seed(0)
    model = small(name).train()
    size = (70, 101)
    samples = [SegDataSample(gt_depth_map=PixelData(data=torch.rand(1, *size) * 9 + 0.5)) for _ in range(2)]
    losses = model.loss(torch.randn(2, 3, *size), samples)
    losses['decode.loss_silog'].backward()
    assert torch.isfinite(losses['decode.loss_silog'])
    idle = [key for key, value in model.decode_head.named_parameters() if value.grad is None]
    assert idle == [] and all(value.grad.isfinite().all() for value in model.decode_head.parameters())
    frozen = {key for key, value in model.backbone.named_parameters() if not value.requires_grad}
    assert 'conv1.weight' in frozen and 'layer1.0.bn1.weight' in frozen and 'layer1.0.conv1.weight' not in frozen


@pytest.mark.parametrize('name', CFGS)
def test_every_fusion_trains_and_keeps_its_start(name):
    head = FusionBTSHead(in_channels=[8, 8, 16, 24, 32], channels=256, upsample_cfg=CFGS[name])
    before = {key: value.clone() for key, value in head.fusions.state_dict().items()}
    head.init_weights()
    assert all(torch.equal(value, before[key]) for key, value in head.fusions.state_dict().items())
    sizes = [(17, 14), (9, 7), (5, 4), (3, 2), (2, 1)]
    head([torch.randn(2, *shape) for shape in zip(head.in_channels, *zip(*sizes))]).mean().backward()
    assert [key for key, value in head.named_parameters() if value.grad is None] == []


@pytest.mark.parametrize('size', [(64, 96), (65, 97)])
def test_depth_has_the_size_of_the_image(size):
    model = small('nearest').eval()
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))
    with torch.no_grad():
        (result,) = model.predict(torch.randn(1, 3, *size), [sample])
    depth = result.pred_depth_map.data
    assert depth.shape == (1, *size) and 0 < depth.min() and depth.max() < 10


def test_the_largest_depth_is_a_unit_alone():
    """The planes' depths are handed on as parts of it."""
    metres, decimetres = (
        FusionBTSHead(in_channels=[8] * 5, channels=256, upsample_cfg='nearest', max_depth=depth).eval()
        for depth in (10.0, 100.0)
    )
    decimetres.load_state_dict(metres.state_dict())
    maps = [torch.randn(1, 8, 2 ** (5 - i), 2 ** (4 - i)) for i in range(5)]
    torch.testing.assert_close(decimetres(maps), 10 * metres(maps))


def test_what_the_parts_are_fed_with():
    """The dilations, the rectified deepest map, the depths from the finest planes to the coarsest."""
    head, seen = FusionBTSHead(in_channels=[8] * 5, channels=256, upsample_cfg='nearest').eval(), {}
    assert [branch[-1].dilation[0] for branch in head.dilated.branches] == [3, 6, 12, 18, 24]
    planes = ('planes2', 'planes4', 'planes8')
    for name in planes:
        getattr(head, name).register_forward_hook(lambda module, args, out, name=name: seen.update({name: out / 10}))
    for name, part in (('merge1', head.merge1), ('deep', head.fusions[0])):
        part.register_forward_pre_hook(lambda module, args, name=name: seen.update({name: args[0]}))
    maps = [torch.randn(1, 8, 2 ** (5 - i), 2 ** (4 - i)) for i in range(5)]
    head(maps)
    assert torch.equal(seen['deep'], maps[4].relu())
    torch.testing.assert_close(seen['merge1'][:, -3:], torch.cat([seen[name] for name in planes], dim=1))


def test_parameters_are_those_published():
    """49.53 M in SAPA's README, with the encoder's classifier of 1000 classes, which BTS does not use. What upsamplers
    add: tests/configs/test_published_parameters.py."""
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(ROWS['nearest']).model)
    count = sum(parameter.numel() for parameter in model.parameters()) + 2048 * 1000 + 1000
    assert round(count / 1e6, 2) == 49.53


def test_stem_and_stages_are_those_of_resnet():
    from mmseg.models.backbones import ResNet

    torch.manual_seed(0)
    ours, stock = (kind(18, base_channels=8, stem_channels=8) for kind in (ResNetWithStem, ResNet))
    ours.load_state_dict(stock.state_dict())
    for model in (ours, stock):
        model.eval()
    image = torch.randn(1, 3, 33, 46)
    stem, *outs = ours(image)
    assert stem.shape == (1, 8, 17, 23)
    for mine, theirs in zip(outs, stock(image), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('wrong', [dict(in_channels=[8] * 4), dict(channels=96), dict(max_depth=0.0)])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match='five in_channels, channels that are a multiple of 256, and a positive'):
        FusionBTSHead(**{**dict(in_channels=[8] * 5, channels=256), **wrong})
