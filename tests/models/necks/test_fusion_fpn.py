"""FusionFPN: equal to the stock necks and to the authors' neck; clear errors."""

import pytest
import torch
from torch import nn

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdet.models.necks import FPN, FPN_CARAFE
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_checkpoint
from mmseg.models.necks import FPN as SegFPN
from own_upsampler import Learned

from freqfusion_mm.models.necks import FusionFPN

CHANNELS = [8, 12, 16, 24]
ODD = [(33, 47), (17, 24), (9, 12), (5, 6)]
EVEN = [(32, 48), (16, 24), (8, 12), (4, 6)]
BN = dict(type='BN')


def pyramid(sizes=ODD, channels=CHANNELS, batch=2):
    torch.manual_seed(1)
    return [torch.randn(batch, c, *size) for c, size in zip(channels, sizes)]


def assert_equal(ours, stock, inputs):
    """Ours with stock's weights gives the same tensors, bit for bit."""
    stock.init_weights()
    ours.load_state_dict(stock.state_dict())
    wanted, got = stock(inputs), ours(inputs)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted):
        assert torch.equal(a, b)


@pytest.mark.parametrize('mode', ['nearest', 'bilinear'])
@pytest.mark.parametrize('stock', [FPN, SegFPN])
@pytest.mark.parametrize(
    'kwargs',
    [
        dict(num_outs=4),
        dict(num_outs=6),
        dict(num_outs=6, add_extra_convs='on_input'),
        dict(num_outs=6, add_extra_convs='on_lateral', norm_cfg=BN, act_cfg=dict(type='ReLU')),
        dict(num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True),
        dict(num_outs=5, start_level=1, add_extra_convs='on_output', norm_cfg=BN, no_norm_on_lateral=True),
    ],
)
def test_equals_stock_fpn(stock, kwargs, mode):
    kwargs = dict(kwargs, in_channels=CHANNELS, out_channels=16)
    ours = FusionFPN(**kwargs, upsample_cfg=dict(type=mode))
    assert_equal(ours, stock(**kwargs, upsample_cfg=dict(mode=mode)), pyramid())


def test_true_is_on_output_in_mmseg():
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=6, add_extra_convs=True)
    with DefaultScope.overwrite_default_scope('mmseg'):
        ours = FusionFPN(**kwargs, upsample_cfg='nearest')
    assert_equal(ours, SegFPN(**kwargs), pyramid())


def test_true_is_on_input_and_end_level_is_inclusive_as_in_mmdet():
    nearest = dict(upsample_cfg='nearest')
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=6, add_extra_convs=True)
    with DefaultScope.overwrite_default_scope('mmdet'):
        ours = FusionFPN(**kwargs, **nearest)
    assert_equal(ours, FPN(**kwargs), pyramid())
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=2, start_level=1, end_level=2)
    assert_equal(FusionFPN(**kwargs, **nearest), FPN(**kwargs), pyramid())


@pytest.mark.filterwarnings('ignore:upsample_cfg=')
def test_understands_the_spelling_of_fpn():
    ours = FusionFPN(CHANNELS, 16, 4, upsample_cfg=dict(mode='bilinear', align_corners=True))
    stock = SegFPN(CHANNELS, 16, 4, upsample_cfg=dict(mode='bilinear', align_corners=True))
    assert_equal(ours, stock, pyramid())


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(num_outs=5),
        dict(num_outs=6, norm_cfg=BN, act_cfg=dict(type='ReLU')),
        dict(num_outs=4, start_level=1, order=('act', 'conv', 'norm'), act_cfg=dict(type='ReLU')),
        dict(num_outs=4),
    ],
)
@pytest.mark.parametrize('sizes', [EVEN, ODD])
def test_fused_extra_levels_equal_fpn_carafe(kwargs, sizes):
    kwargs = dict(kwargs, in_channels=CHANNELS, out_channels=16)
    ours = FusionFPN(**kwargs, add_extra_convs='fused', upsample_cfg=dict(type='nearest'))
    assert_equal(ours, FPN_CARAFE(**kwargs, upsample_cfg=dict(type='nearest')), pyramid(sizes))


@pytest.mark.parametrize(
    'ours, theirs',
    [
        (dict(type='bilinear'), dict(type='bilinear')),
        (dict(type='deconv', kernel_size=3), dict(type='deconv', upsample_kernel=3)),
        (dict(type='pixel_shuffle', kernel_size=3), dict(type='pixel_shuffle', upsample_kernel=3)),
    ],
)
def test_other_upsamplers_of_fpn_carafe(ours, theirs):
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=5)
    sizes = [(64, 96), (32, 48), (16, 24), (8, 12)]  # the extra level is exactly half of the last
    neck = FusionFPN(**kwargs, add_extra_convs='fused', upsample_cfg=ours)
    assert_equal(neck, FPN_CARAFE(**kwargs, upsample_cfg=ConfigDict(theirs)), pyramid(sizes))


def test_weights_of_a_carafe_fpn_load():
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=5)
    ours = FusionFPN(**kwargs, add_extra_convs='fused', upsample_cfg=dict(type='carafe'))
    ours.load_state_dict(FPN_CARAFE(**kwargs).state_dict())
    assert [tuple(out.shape[2:]) for out in ours(pyramid())] == [*ODD, (3, 3)]


def test_equals_the_authors_neck(golden, assert_parity):
    (case,) = golden('freqfusion_carafe_fpn')
    neck = FusionFPN.from_reference(**case['kwargs']).double()
    neck.load_state_dict(case['state_dict'])
    inputs = [x.requires_grad_() for x in case['inputs'].values()]
    outs = neck(inputs)
    grads = torch.autograd.grad(outs, inputs, case['grad_outputs'])
    for got, wanted in zip([*outs, *grads], [*case['outputs'], *case['grad_inputs'].values()]):
        assert_parity(got, wanted)


def test_a_released_detector_checkpoint_loads(tmp_path, golden, assert_parity):
    """A file as mmdet 2.x writes it: the whole detector, `neck.` before the authors' names."""
    (case,) = golden('freqfusion_carafe_fpn')
    path = tmp_path / 'released.pth'
    weights = {f'neck.{key}': value for key, value in case['state_dict'].items()}
    torch.save(dict(meta=dict(mmdet_version='2.28.1'), state_dict=weights), path)
    detector = nn.Module()
    detector.neck = FusionFPN.from_reference(**case['kwargs']).double()
    load_checkpoint(detector, str(path), map_location='cpu', strict=True)
    for got, wanted in zip(detector.neck(list(case['inputs'].values())), case['outputs']):
        assert_parity(got, wanted)


def test_fusions_of_version_1_went_from_shallow_to_deep():
    neck = FusionFPN(CHANNELS, 16, 5, add_extra_convs='fused', upsample_cfg='carafe')
    assert [fusion.upsampler.lr_channels for fusion in neck.fusions] == [16] * 4
    order = []
    for i, fusion in enumerate(neck.fusions):
        fusion.register_forward_pre_hook(lambda module, args, i=i: order.append((i, tuple(args[1].shape[2:]))))
    wanted = neck(pyramid())
    assert order == list(enumerate(ODD[::-1]))  # from deep to shallow
    model = nn.ModuleDict(dict(neck=neck))
    state = model.state_dict()
    again = FusionFPN(CHANNELS, 16, 5, add_extra_convs='fused', upsample_cfg='carafe')
    other = nn.ModuleDict(dict(neck=again))
    other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(again(pyramid()), wanted))
    for list_, version in (('fusions', 1), ('alignment', 1), ('alignment', 2)):
        old = {}
        for key, value in state.items():
            if '.fusions.' in key:
                head, _, index, name = key.split('.', 3)
                key = f'{head}.{list_}.{3 - int(index)}.{name}'
            old[key] = value
        old = type(state)(old)
        old._metadata = {**state._metadata, 'neck': dict(version=version)}
        again.fusions.apply(lambda module: [p.data.zero_() for p in module.parameters()])
        other.load_state_dict(old)
        assert all(torch.equal(a, b) for a, b in zip(again(pyramid()), wanted))


def test_a_neck_override_keeps_what_the_base_says(tmp_path):
    from mmdet.registry import MODELS

    import freqfusion_mm.registration  # noqa: F401

    path = tmp_path / 'override.py'
    path.write_text(
        "_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'\n"
        "model = dict(neck=dict(type='FusionFPN', upsample_cfg=dict(type='FreqFusion')))\n"
    )
    neck = MODELS.build(Config.fromfile(path).model.neck)
    assert isinstance(neck, FusionFPN)
    assert (neck.in_channels, neck.out_channels) == ([256, 512, 1024, 2048], 256)
    assert (neck.num_outs, len(neck.fusions)) == (5, 3)
    assert type(neck.fusions[0]).__name__ == 'FreqFusion'


def test_plain_name_resolves_in_mmseg_too():
    from mmseg.registry import MODELS

    import freqfusion_mm.registration  # noqa: F401

    assert isinstance(MODELS.build(dict(type='FusionFPN', in_channels=[4, 8], out_channels=4, num_outs=2)), FusionFPN)


def test_initialisation_leaves_the_fusions_their_own():
    neck = FusionFPN(CHANNELS, 64, 5, add_extra_convs='fused', upsample_cfg=dict(type='FreqFusion'))
    neck.init_weights()
    assert neck.fusions[0].lowpass_encoder.weight.std() < 0.002
    bound = (6 / (64 * 9 + 64 * 9)) ** 0.5  # Xavier uniform of a 3x3 conv
    assert 0.9 * bound < neck.fpn_convs[0].conv.weight.abs().max() <= bound
    neck = FusionFPN(
        CHANNELS, 64, 5, init_cfg=dict(type='Constant', layer='Conv2d', val=0.25), upsample_cfg=dict(type='FreqFusion')
    )
    neck.init_weights()
    assert neck.fusions[0].lowpass_encoder.weight.std() < 0.002
    assert (neck.lateral_convs[0].conv.weight == 0.25).all()


def test_an_upsamplers_own_init_cfg_is_followed(tmp_path):
    start = dict(type='Constant', layer='Conv2d', val=0.25)
    theirs = dict(type='Constant', layer='Conv2d', val=0.5)
    neck = FusionFPN(CHANNELS, 8, 4, init_cfg=theirs, upsample_cfg=dict(type=Learned, init_cfg=start))
    neck.init_weights()
    convolutions = [module.conv for module in neck.fusions.modules() if isinstance(module, Learned)]
    assert len(convolutions) == 3 and all((conv.weight == 0.25).all() for conv in convolutions)
    assert (neck.lateral_convs[0].conv.weight == 0.5).all()
    torch.save({f'conv.{key}': value for key, value in nn.Conv2d(8, 8, 1).state_dict().items()}, tmp_path / 'a.pth')
    start = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'))
    neck = FusionFPN(CHANNELS, 8, 4, upsample_cfg=dict(type=Learned, init_cfg=start))
    neck.init_weights()
    weight = torch.load(tmp_path / 'a.pth')['conv.weight']
    for module in neck.fusions.modules():
        assert not isinstance(module, Learned) or torch.equal(module.conv.weight, weight)


def test_more_of_anothers_upsamplings_than_there_are_keep_their_names():
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=5)
    theirs = FPN_CARAFE(**kwargs, norm_cfg=None, act_cfg=None).state_dict()
    found = FusionFPN(**kwargs, upsample_cfg=dict(type='carafe')).load_state_dict(theirs, strict=False)
    assert any(key.startswith('upsample_modules.3') for key in found.unexpected_keys)
    assert not any('-1' in key for key in found.unexpected_keys)


@pytest.mark.parametrize('sizes', [ODD, [(23, 33), (12, 17), (6, 9), (3, 5)], [(64, 1), (8, 1), (1, 1), (1, 1)]])
@pytest.mark.parametrize('kind', ['FreqFusion', 'nearest', 'carafe'])
def test_any_sizes_and_every_parameter_learns(sizes, kind):
    neck = FusionFPN(CHANNELS, 16, 5, add_extra_convs='fused', upsample_cfg=dict(type=kind))
    outs = neck(pyramid(sizes))
    extra = tuple((n + 1) // 2 for n in sizes[-1])
    assert [tuple(out.shape[2:]) for out in outs] == [*sizes, extra]
    sum(out.square().sum() for out in outs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in neck.parameters())


def test_autocast():
    neck = FusionFPN(CHANNELS, 16, 5, add_extra_convs='fused', upsample_cfg=dict(type='FreqFusion'))
    with torch.autocast('cpu', torch.bfloat16):
        outs = neck(pyramid())
    assert all(out.dtype == torch.bfloat16 and out.isfinite().all() for out in outs)


@pytest.mark.parametrize(
    'change, error, words',
    [
        (dict(in_channels=256), TypeError, 'in_channels must list'),
        (dict(add_extra_convs='on_top'), ValueError, 'add_extra_convs must be one of'),
        (dict(order=('norm', 'conv', 'act')), ValueError, 'order must be one of'),
        (dict(num_outs=3), ValueError, 'num_outs must be 4 or more'),
        (dict(end_level=2), ValueError, 'num_outs must be 3, for inputs 0 to 2 of 4 .*; got 5'),
        (dict(start_level=4), ValueError, '0 <= start <= end < 4'),
        (dict(upsample_cfg=3), TypeError, 'upsample_cfg must be a dict'),
        (dict(compress_ratio=4), TypeError, r"belongs into upsample_cfg, e.g. .*type='FreqFusion', compress_ratio=4"),
        (dict(num_out=5), TypeError, r'has no option num_out \(did you mean num_outs\?\)'),
        # Of a ChannelMapper that the base config has in this place.
        (dict(kernel_size=1), TypeError, r'no option kernel_size: it takes in_channels, .*anew with _delete_=True'),
        (dict(upsample_cfg=dict(type='FreqFuson')), ValueError, 'FreqFuson'),
        (dict(upsample_cfg=dict(type='FreqFusion', lowpas_kernel=5)), TypeError, 'lowpas_kernel'),
    ],
)
def test_bad_arguments(change, error, words):
    kwargs = dict(in_channels=CHANNELS, out_channels=16, num_outs=5)
    with pytest.raises(error, match=words):
        FusionFPN(**{**kwargs, **change})


def test_bad_maps():
    neck = FusionFPN(CHANNELS, 16, 5)
    good = pyramid()
    for maps, words in [
        (good[:3], 'wants 4 maps.*got 3 maps'),
        (good[0], 'got one tensor'),
        ([*good[:3], good[0]], r'map 3 must be \[B, 24, H, W\]'),
        ([good[0][0], *good[1:]], 'map 0 must be'),
        ([*good[:3], good[3][:1]], 'B as in the other maps'),
        ([*good[:3], good[3][..., :0]], 'H, W >= 1'),
    ]:
        with pytest.raises(ValueError, match=words):
            neck(maps)


def test_reference_without_low_pass_is_refused():
    with pytest.raises(ValueError, match='use_low_pass=False'):
        FusionFPN.from_reference(CHANNELS, 16, 5, use_low_pass=False)
