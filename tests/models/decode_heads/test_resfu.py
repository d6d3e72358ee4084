"""ReSFU in the wiring: heads that concatenate, the plain transformer, depth."""

import pytest
import torch

pytest.importorskip('mmseg')

import torch.nn.functional as F  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.models.backbones import VisionTransformer  # noqa: E402
from mmseg.models.decode_heads import FCNHead  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from mmseg.utils import register_all_modules  # noqa: E402
from small_upsamplers import CFGS  # noqa: E402

import freqfusion_mm.models.decode_heads as heads  # noqa: E402
from freqfusion_mm.layers import UPSAMPLERS, ReSFU  # noqa: E402
from freqfusion_mm.models.backbones.vit_with_image import VisionTransformerWithImage  # noqa: E402

CHANNELS = [8, 16, 24, 32]
COMMON = dict(in_channels=CHANNELS, in_index=[0, 1, 2, 3], channels=16, num_classes=3)
SIZES = [(27, 21), (14, 11), (7, 6), (4, 3)]
SMALL = dict(type='ReSFU', compressed_channels=8, mid_channels=16, norm_groups=4)
HEADS = {
    'FusionSegformerHead': dict(norm_cfg=dict(type='BN')),
    'FusionHamHead': dict(ham_channels=16, ham_kwargs=dict(MD_R=4)),
}
PLAIN = dict(in_channels=8, channels=8, num_convs=0, concat_input=False, num_classes=3, dropout_ratio=0)


@pytest.fixture(autouse=True)
def mmseg_scope():
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_heads_resfu', scope_name='mmseg')
        yield


def pyramid(batch=2):
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, SIZES)]


def without_gradient(module):
    return [key for key, value in module.named_parameters() if value.grad is None or not value.grad.isfinite().all()]


@pytest.mark.parametrize('name', HEADS)
def test_concat_heads_go_straight_to_the_finest_level(name):
    head = getattr(heads, name)(**COMMON, **HEADS[name], upsample_cfg=SMALL)
    sizes = []
    for module in head.modules():
        if isinstance(module, ReSFU):
            module.register_forward_pre_hook(
                lambda module, args: sizes.append([tuple(feat.shape[2:]) for feat in args])
            )
    head(pyramid())
    used = SIZES[len(SIZES) - len(sizes) - 1 :]  # the Hamburger leaves the finest level out
    assert sorted(sizes) == sorted([coarse, used[0]] for coarse in used[1:])


# ---------------------------------------------------------------- plain transformer


def vit(cls=VisionTransformerWithImage):
    return cls(img_size=64, patch_size=16, embed_dims=8, num_layers=1, num_heads=2)


def test_transformer_hands_the_image_on():
    # In eval mode: mmcv's MultiheadAttention writes a `dropout=` of any model built before into its default argument.
    stock, ours = vit(VisionTransformer), vit()
    ours.load_state_dict(stock.state_dict())
    stock.eval(), ours.eval()
    image = torch.randn(2, 3, 64, 48)
    feat, last = ours(image)
    assert torch.equal(feat, stock(image)[0]) and last is image


@pytest.mark.parametrize('name', CFGS)
@pytest.mark.parametrize('strides', [(2, 2), (2, 1)])
def test_every_upsampler_behind_a_plain_transformer(name, strides):
    head = heads.ImageGuidedFCNHead(**PLAIN, upsample_cfg=CFGS[name], guide_strides=strides)
    assert (head.image_guide is not None) == UPSAMPLERS[name].guided
    out = head(vit()(torch.randn(2, 3, 64, 48)))
    stride = strides[0] * strides[1]
    assert out.shape == (2, 3, 64 // stride, 48 // stride)
    out.square().sum().backward()
    assert not without_gradient(head)


def test_resfu_behind_a_plain_transformer_is_one_step_guided_by_the_image():
    head = heads.ImageGuidedFCNHead(**PLAIN, upsample_cfg=SMALL)
    calls = []
    head.fusion.upsampler.register_forward_pre_hook(lambda module, args: calls.append(args))
    image = torch.randn(1, 3, 64, 48)
    head([torch.randn(1, 8, 4, 3), image])
    ((lr_feat, hr_feat),) = calls
    assert lr_feat.shape[2:] == (4, 3) and torch.equal(hr_feat, head.image_guide(image))


def test_bilinear_classifies_what_the_stock_head_interpolates(assert_same):
    stock = FCNHead(**PLAIN, in_index=0).eval()
    ours = heads.ImageGuidedFCNHead(**PLAIN, upsample_cfg=dict(type='bilinear')).eval()
    ours.load_state_dict(stock.state_dict())
    maps = [torch.randn(1, 8, 4, 3), torch.randn(1, 3, 64, 48)]
    assert_same(ours(maps), F.interpolate(stock(maps), (16, 12), mode='bilinear', align_corners=False))


@pytest.mark.parametrize('size', [(28, 42), (33, 50), (15, 55)])
def test_features_of_whole_patches_lie_where_their_pixels_are(size):
    """Each holds the place of its middle, and then each pixel its own, but for half a patch at the edges."""
    head = heads.ImageGuidedFCNHead(
        **dict(PLAIN, in_channels=1, channels=1, num_classes=2),
        upsample_cfg='bilinear',
        guide_strides=(1, 1),
        feature_stride=14,
    ).eval()
    head.conv_seg = torch.nn.Identity()
    height, width = size
    middles = [torch.arange(7.0, 7 + side, 14)[: -(-side // 14)] for side in size]
    for axis in (0, 1):
        feat = torch.meshgrid(*middles, indexing='ij')[axis][None, None]
        places = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing='ij')[axis]
        out = head([feat, torch.zeros(1, 3, *size)])
        expected = places.clamp(7, middles[axis][-1])
        torch.testing.assert_close(out[0, 0], expected)


def test_features_of_other_patches_are_refused():
    head = heads.ImageGuidedFCNHead(**PLAIN, upsample_cfg='bilinear', feature_stride=14)
    with pytest.raises(ValueError, match=r'feature_stride=14 wants one cell .* features of \(4, 3\) for an image of'):
        head([torch.zeros(1, 8, 4, 3), torch.zeros(1, 3, 64, 48)])


def test_without_an_image_the_message_names_the_backbone():
    head = heads.ImageGuidedFCNHead(**PLAIN, upsample_cfg=SMALL, in_index=0)
    with pytest.raises(ValueError, match=r'must be the image .* got shape \(1, 8, 4, 3\); use .*WithImage'):
        head([torch.zeros(1, 8, 4, 3)])


# ---------------------------------------------------------------- depth


def depth_head(**kwargs):
    return heads.FusionDepthHead(
        in_channels=CHANNELS, in_index=[0, 1, 2, 3], channels=16, norm_cfg=dict(type='BN'), upsample_cfg=SMALL, **kwargs
    )


def test_depth_lies_below_the_largest_and_trains():
    head = depth_head(max_depth=5.0)
    depth = head(pyramid())
    assert depth.shape == (2, 1, 27, 21) and 0 < depth.min() and depth.max() < 5
    samples = [SegDataSample(gt_depth_map=PixelData(data=5 * torch.rand(1, 108, 84))) for _ in range(2)]
    losses = head.loss(pyramid(), samples, None)
    assert list(losses) == ['loss_silog']
    losses['loss_silog'].backward()
    assert not without_gradient(head)


def test_depth_loss_is_zero_for_the_true_depth():
    head = depth_head(loss_decode=[dict(type='SiLogLoss'), dict(type='SiLogLoss', loss_weight=2.0)])
    truth = 1 + torch.rand(2, 1, 12, 16)
    samples = [SegDataSample(gt_depth_map=PixelData(data=depth)) for depth in truth]
    assert head.loss_by_feat(truth, samples)['loss_silog'] < 1e-2
    assert head.loss_by_feat(truth.flip(-1), samples)['loss_silog'] > 0.1


def test_losses_of_one_name_add_up():
    truth = 1 + torch.rand(2, 1, 12, 16)
    samples = [SegDataSample(gt_depth_map=PixelData(data=depth)) for depth in truth]

    def loss(*weights):
        head = depth_head(loss_decode=[dict(type='SiLogLoss', loss_weight=weight) for weight in weights])
        return head.loss_by_feat(truth.flip(-1), samples)['loss_silog']

    torch.testing.assert_close(loss(1.0, 2.0), 3 * loss(1.0))


def test_depth_bad_options():
    with pytest.raises(ValueError, match='max_depth is positive, got 0'):
        depth_head(max_depth=0)
