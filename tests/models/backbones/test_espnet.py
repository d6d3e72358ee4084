"""ESPNet and ESPNetv2 as backbones and with their heads: sizes, options, gradients, losses."""

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from freqfusion_mm.layers.hierarchical.units import UNITS  # noqa: E402
from freqfusion_mm.models.backbones import ESPNet, ESPNetV2  # noqa: E402
from freqfusion_mm.models.decode_heads import EESPNetSegHead, ESPNetCHead, ESPNetHead, ESPNetV2Head  # noqa: E402
from freqfusion_mm.models.necks import FusionFPN  # noqa: E402

SIZES = [(64, 128), (45, 97), (90, 160), (33, 32)]


def halved(size, times):
    for _ in range(times):
        size = tuple(-(-length // 2) for length in size)
    return size


def build(head, **options):
    if head in (ESPNetCHead, ESPNetHead):
        backbone = ESPNet((1, 1), **options)
        levels = dict(in_channels=backbone.out_channels, in_index=[0, 1, 2])
        if head is ESPNetCHead:
            levels = dict(in_channels=backbone.out_channels[2], in_index=2)
        return backbone, head(channels=1, num_classes=7, **levels)
    backbone = ESPNetV2(0.5, out_indices=(0, 1, 2, 3), **options)
    return backbone, head(
        in_channels=backbone.out_channels, in_index=[0, 1, 2, 3], channels=1, num_classes=7, align_corners=True
    )


HEADS = [ESPNetCHead, ESPNetHead, ESPNetV2Head, EESPNetSegHead]


@pytest.mark.parametrize('size', SIZES)
def test_espnet_hands_out_its_stages(size):
    for options in (
        dict(),
        dict(fine_map='reinforced'),
        dict(image_reinforcement=False),
        dict(widths=(16, 60, 125), chain='all'),
        dict(chain='none', out_indices=(1, 2)),
        *(dict(unit=unit) for unit in UNITS),
    ):
        backbone = ESPNet((1, 1), **options)
        outs = backbone(torch.rand(2, 3, *size))
        assert [out.shape[1] for out in outs] == backbone.out_channels
        assert [out.shape[-2:] for out in outs] == [halved(size, i + 1) for i in backbone.out_indices]


@pytest.mark.parametrize('size', SIZES)
def test_espnetv2_hands_out_its_stages(size):
    for options in (
        dict(),
        dict(out_indices=(0, 2)),
        dict(out_indices=(4,), final_convs=True, reinforce_last=True),
        dict(chain='none'),
    ):
        backbone = ESPNetV2(0.5, **options)
        outs = backbone(torch.rand(2, 3, *size))
        assert [out.shape[1] for out in outs] == backbone.out_channels
        assert [out.shape[-2:] for out in outs] == [halved(size, i + 1) for i in backbone.out_indices]


@pytest.mark.parametrize('scale', [0.5, 1.0, 1.25, 1.5, 2.0])
def test_espnetv2_feeds_the_fusion_fpn(scale):
    backbone = ESPNetV2(scale).eval()
    neck = FusionFPN(
        in_channels=backbone.out_channels,
        out_channels=16,
        num_outs=5,
        upsample_cfg=dict(type='FreqFusion', compressed_channels=8),
    ).eval()
    outs = neck(backbone(torch.rand(1, 3, 90, 130)))
    assert [tuple(out.shape) for out in outs][:2] == [(1, 16, 23, 33), (1, 16, 12, 17)]


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('size', [(64, 96), (45, 37)])
def test_heads_train_at_any_size(head, size):
    backbone, decode_head = build(head)
    sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 7, (1, *size)))
    losses = decode_head.loss(backbone(torch.rand(2, 3, *size)), [sample, sample], train_cfg=None)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    for module in (backbone, decode_head):
        for name, parameter in module.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name
    decode_head.eval(), backbone.eval()
    logits = decode_head.predict(backbone(torch.rand(2, 3, *size)), [sample.metainfo] * 2, test_cfg=None)
    assert logits.shape == (2, 7, *size)


def test_heads_have_the_losses_of_their_recipes():
    size = (64, 64)
    sample = SegDataSample(metainfo=dict(img_shape=size))
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 7, (1, *size)))
    backbone, head = (module.eval() for module in build(EESPNetSegHead))
    outs = backbone(torch.rand(1, 3, *size))
    losses = head.loss(outs, [sample], None)
    for name, logits in zip(('loss_ce', 'aux_loss_ce'), head._logits(outs)):  # of stride 2, of stride 8
        logits = torch.nn.functional.interpolate(logits, size, mode='bilinear', align_corners=True)
        expected = torch.nn.functional.cross_entropy(logits, sample.gt_sem_seg.data)
        torch.testing.assert_close(losses[name], expected)
    backbone, head = build(ESPNetCHead)
    outs = backbone.eval()(torch.rand(1, 3, *size))
    small = head.loss(outs, [sample], None)['loss_ce']
    labels = sample.gt_sem_seg.data[:, ::8, ::8]
    torch.testing.assert_close(small, torch.nn.functional.cross_entropy(head(outs), labels))
    head.downsample_labels = False
    assert head.loss(outs, [sample], None)['loss_ce'] != small


def test_own_state_loads_again_under_its_own_names():
    for head in HEADS:
        for module, other in zip(build(head), build(head)):
            other.load_state_dict(module.state_dict())
            for (name, value), copy in zip(module.state_dict().items(), other.state_dict().values()):
                assert torch.equal(value, copy), name


def test_decoder_starts_from_the_encoders_classifier():
    _, first = build(ESPNetCHead)
    _, second = build(ESPNetHead)
    missing, unexpected = second.load_state_dict(first.state_dict(), strict=False)
    assert not unexpected and torch.equal(second.classify.weight, first.classify.weight)


def test_the_last_stage_is_reinforced_where_it_is_asked_for():
    """The released classifiers keep the weights for it and do not use them."""
    silent, reinforced = (ESPNetV2(0.5, reinforce_last=last).eval() for last in (False, True))
    reinforced.load_state_dict(silent.state_dict())
    image = torch.rand(1, 3, 64, 96)
    same = [torch.equal(*pair) for pair in zip(silent(image), reinforced(image))]
    assert same == [True, True, True, False]


def test_the_last_stage_has_the_dilations_of_its_limits():
    net = ESPNetV2(0.5)
    found = [[branch.dilation[0] for branch in block.branches] for block in (net.down5.eesp, net.stage5[0])]
    assert found == [[1, 1, 2, 3], [1, 1, 1, 2]]


def test_the_segmentor_of_edgenets_puts_the_finer_map_where_its_weights_expect_it():
    backbone, head = (module.eval() for module in build(EESPNetSegHead))
    feats, seen = backbone(torch.rand(1, 3, 64, 48)), {}
    for name in ('mix3', 'merge2', 'classify1'):
        getattr(head, name).register_forward_pre_hook(lambda module, args, name=name: seen.update({name: args[0]}))
    head(feats)
    assert torch.equal(seen['mix3'][:, feats[2].shape[1] :], feats[2])
    for name, feat in (('merge2', feats[1]), ('classify1', feats[0])):
        assert torch.equal(seen[name][:, : feat.shape[1]], feat)


def test_norm_eval_keeps_the_statistics():
    for backbone in (ESPNet((1, 1), norm_eval=True), ESPNetV2(0.5, norm_eval=True)):
        before = {name: value.clone() for name, value in backbone.state_dict().items()}
        backbone.train()(torch.rand(2, 3, 64, 64))
        assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda: ESPNet(fine_map='half'), "'stem' or 'reinforced'"),
        (lambda: ESPNet(out_indices=(3,)), 'out_indices'),
        (lambda: ESPNet(depths=(2,)), 'two positive numbers'),
        (lambda: ESPNetV2(0.75), 'scale must be one of'),
        (lambda: ESPNetV2(out_indices=(5,)), 'out_indices'),
        (lambda: ESPNetV2(out_indices=(3,), final_convs=True), 'final_convs'),
        (lambda: ESPNetHead(in_channels=[16, 131], in_index=[0, 1], channels=1, num_classes=2), 'three numbers'),
        (
            lambda: ESPNetHead(in_channels=[16, 131, 256], in_index=[0, 1, 2], channels=4, num_classes=4),
            'num_classes must be 5 or more',
        ),
        (lambda: ESPNetV2Head(in_channels=[16, 131], in_index=[0, 1], channels=1, num_classes=2), 'four numbers'),
        (
            lambda: EESPNetSegHead(in_channels=[1, 2, 3, 4], in_index=[0, 1, 2, 3], channels=1, num_classes=2),
            'align_corners must be True',
        ),
    ],
)
def test_errors_say_what_was_wanted(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    'head, levels',
    [
        (ESPNetCHead, dict(in_channels=256, in_index=2)),
        (ESPNetHead, dict(in_channels=[16, 131, 256], in_index=[0, 1, 2])),
        (ESPNetV2Head, dict(in_channels=[16, 32, 64, 128], in_index=[0, 1, 2, 3], align_corners=True)),
        (EESPNetSegHead, dict(in_channels=[16, 32, 64, 128], in_index=[0, 1, 2, 3], align_corners=True)),
    ],
)
def test_parts_that_a_head_does_not_have_are_refused(head, levels):
    """mmsegmentation's heads take them, its base configs set them, and here they would do nothing."""
    options = dict(levels, channels=1, num_classes=7)
    with pytest.raises(ValueError, match="norm_cfg, act_cfg: the parts of this head .* sync_bn='torch'"):
        head(**options, norm_cfg=dict(type='SyncBN'), act_cfg=dict(type='GELU'))
    if head is not EESPNetSegHead:
        with pytest.raises(ValueError, match='dropout_ratio: the parts'):
            head(**options, dropout_ratio=0.1)
        assert head(**options).dropout is None


@pytest.mark.parametrize('fine_map', ['stem', 'reinforced'])
@pytest.mark.parametrize('out_indices', [(0,), (0, 1), (1,), (2,)])
def test_nothing_is_built_that_no_map_reads(fine_map, out_indices):
    """DistributedDataParallel waits for the gradient of every weight; and the maps are those of the whole network."""
    options = dict(depths=(1, 1), widths=(4, 10, 10), fine_map=fine_map)
    whole, part = ESPNet(**options).eval(), ESPNet(**options, out_indices=out_indices).eval()
    missing, unexpected = part.load_state_dict(whole.state_dict(), strict=False)
    assert not missing and (out_indices == (2,)) == (not unexpected)
    image = torch.randn(1, 3, 32, 48)
    outs = part(image)
    torch.testing.assert_close(outs, tuple(whole(image)[i] for i in out_indices))
    sum(out.square().sum() for out in outs).backward()
    assert all(parameter.grad is not None for parameter in part.parameters())
