"""Every module with a stock original in mmdet or mmseg: equal to it for its interpolation, any size, bad input."""

import copy
from inspect import signature

import pytest
import torch

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')
pytest.importorskip('mmcv.ops')

import mmdet.models.necks as mmdet_necks  # noqa: E402
import mmseg.models.necks as mmseg_necks  # noqa: E402
from mmengine.model import PretrainedInit  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from twins.all_twins import TWINS  # noqa: E402
from twins.inputs import LEVELS, call, pyramid, tokens, with_image  # noqa: E402
from twins.mmdet_twins import FPG  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.layers import FreqFusion  # noqa: E402
from freqfusion_mm.models.fusions import KeptInit  # noqa: E402
from freqfusion_mm.models.levels import check_selection  # noqa: E402
from freqfusion_mm.models.necks import FusionFPN  # noqa: E402

#: The modules that read a pyramid, and say what is wrong with it.
MAPS = [
    name
    for name, twin in TWINS.items()
    if isinstance(twin.inputs(twin.even), list)
    and twin.inputs not in (tokens, with_image)
    and not name.startswith(('FusionSETR', 'FusionFeature2', 'FusionPSA', 'FusionSOLOHead', 'FusionDecoupled'))
]
#: What is named in place of the class.
SPEAKERS = dict.fromkeys(['FusionFPNDropBlock', 'FusionPAFPN', 'FusionCLRFPN'], 'FusionFPN')
#: Their attention draws its dropout in training, from a rate that mmcv takes of whichever was built before.
WITH_ATTENTION = ['FusionSideAdapterCLIPHead', 'FusionDynamicMaskHead']
SIZED = dict(type='FreqFusion', compressed_channels=8)


def takes(name, option):
    """Whether the stock module has an option, itself or by a class that it is made of."""
    bases = TWINS[name].stock.__mro__ if TWINS[name].stock else ()
    return any(option in signature(base.__init__).parameters for base in bases if '__init__' in vars(base))


#: Whose stock module takes init_cfg: some refuse it, or initialise themselves by something else.
WITH_INIT_CFG = [
    name
    for name in TWINS
    if takes(name, 'init_cfg')
    and not name.endswith('MaskHead')
    and name not in ('FusionSideAdapterCLIPHead', 'FusionNASFCOSFPN', 'FusionHourglassNet', 'FusionRFP', 'FusionDyHead')
]


@pytest.fixture(autouse=True)
def mmseg_scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_twins', scope_name='mmseg')
        yield


def build(name, **changes):
    return MODELS.build(dict(copy.deepcopy(TWINS[name].options), type=name, **changes))


def randomize(*modules):
    """Weights that leave no branch at zero, the same in each."""
    for module in modules:
        torch.manual_seed(0)
        for weight in module.parameters():
            torch.nn.init.normal_(weight, std=0.1)


@pytest.mark.parametrize('name', TWINS)
def test_with_its_interpolation_it_is_the_stock_module(name):
    twin = TWINS[name]
    if twin.stock is None:
        pytest.skip('this framework lacks the stock module')
    stock = twin.stock(**copy.deepcopy(twin.options))
    ours = build(name, upsample_cfg=dict(type=twin.interpolation))
    randomize(stock)
    assert list(ours.state_dict()) == list(stock.state_dict())
    ours.load_state_dict(stock.state_dict())
    inputs = twin.inputs(twin.even)
    for training in (False,) if name in WITH_ATTENTION else (False, True):
        outs = []
        for module in (stock, ours):
            torch.manual_seed(0)  # DropBlock, dropout
            module.train(training)
            outs.append(call(module, inputs))
        assert len(outs[0]) == len(outs[1]) > 0
        assert all(torch.equal(theirs, mine) for theirs, mine in zip(*outs))


#: The other twins' interpolation is nearest, or has no such option.
WITH_ALIGN_CORNERS = [
    name for name, twin in TWINS.items() if takes(name, 'align_corners') and twin.interpolation == 'bilinear'
]


@pytest.mark.parametrize('align_corners', [True, False])
@pytest.mark.parametrize('name', WITH_ALIGN_CORNERS)
def test_it_follows_align_corners_at_odd_sizes(name, align_corners):
    twin = TWINS[name]
    options = dict(copy.deepcopy(twin.options), align_corners=align_corners)
    stock = twin.stock(**copy.deepcopy(options)).eval()
    ours = MODELS.build(dict(options, type=name, upsample_cfg='bilinear')).eval()
    ours.load_state_dict(stock.state_dict())
    # these stock modules take whole multiples alone, or double what they are given
    inputs = twin.inputs(twin.even if name in ('FusionDDRNet', 'FusionPIDNet', 'FusionDPTHead') else twin.odd)
    assert all(torch.equal(*pair) for pair in zip(call(stock, inputs), call(ours, inputs)))


@pytest.mark.parametrize('norm_cfg', [dict(type='BN', requires_grad=True), dict(type='BN', requires_grad=False)])
@pytest.mark.parametrize('name', ['FusionDetHRNet', 'FusionHRNet', 'FusionUNet'])
def test_fixed_statistics_are_those_of_the_pretrained_norms(name, norm_cfg):
    net = build(name, upsample_cfg='IndexNet', norm_cfg=norm_cfg, norm_eval=True).train()
    norms = {
        each: each in set(net.fusions.modules()) for each in net.modules() if isinstance(each, torch.nn.BatchNorm2d)
    }
    assert set(norms.values()) == {True, False}
    for norm, of_fusion in norms.items():
        assert norm.training == of_fusion
        assert norm.weight.requires_grad == (of_fusion or norm_cfg['requires_grad'])
    assert not any(module.training for module in net.eval().modules())


def test_a_stock_interpolation_is_refused_where_upsample_cfg_names_it():
    with pytest.raises(ValueError, match="upsample_mode is chosen by upsample_cfg; write .*type='bilinear'"):
        build('FusionSTDCContextPathNet', upsample_mode='bilinear')
    build('FusionSTDCContextPathNet', upsample_mode='nearest')


@pytest.mark.parametrize('upsample_cfg', [SIZED, dict(type='CARAFE', compressed_channels=8)], ids=str)
@pytest.mark.parametrize('name', TWINS)
def test_odd_sizes_initialisation_and_every_gradient(name, upsample_cfg):
    module = build(name, upsample_cfg=upsample_cfg)
    before = {key: value.clone() for key, value in module.fusions.state_dict().items()}
    # SAN's head wants a checkpoint for the half of it that is CLIP's
    getattr(module, 'side_adapter_network', module).init_weights()
    after = module.fusions.state_dict()
    assert before and all(torch.equal(value, after[key]) for key, value in before.items())
    randomize(module)
    sum(out.square().mean() for out in call(module, TWINS[name].inputs(TWINS[name].odd))).backward()
    assert not [key for key, weight in module.named_parameters() if weight.requires_grad and weight.grad is None]


@pytest.mark.parametrize('name', TWINS)
def test_the_second_map_of_a_fusion_is_read_where_it_is_asked_for(name):
    """What `keep_hr` tells the fusion is what its host does."""
    module, inputs = build(name, upsample_cfg=SIZED).eval(), TWINS[name].inputs(TWINS[name].odd)
    randomize(module)
    plain = call(module, inputs)
    for fusion in [each for each in module.modules() if isinstance(each, FreqFusion)]:
        hook = fusion.register_forward_hook(lambda layer, args, pair: (pair[0], pair[1] + torch.randn_like(pair[1])))
        changed = call(module, inputs)
        hook.remove()
        assert all(torch.equal(*pair) for pair in zip(plain, changed)) != fusion.keep_hr


def fusions_before_and_after(module):
    """The weights of what upsamples, before the module is initialised and behind."""
    before = {key: value.clone() for key, value in module.fusions.state_dict().items()}
    module.init_weights()
    after = module.fusions.state_dict()
    assert before.keys() == after.keys()
    return [(value, after[key]) for key, value in before.items()]


@pytest.mark.parametrize('name', [name for name in WITH_INIT_CFG if name != 'FusionPIDNet'])
def test_init_cfg_leaves_what_upsamples_as_it_is(name):
    init = dict(type='Constant', layer=['Conv2d', 'ConvTranspose2d', 'Linear'], val=0.25)
    module = build(name, upsample_cfg=SIZED, init_cfg=init)
    assert all(torch.equal(*pair) for pair in fusions_before_and_after(module))


@pytest.mark.parametrize('name', WITH_INIT_CFG)
def test_a_checkpoint_reaches_what_it_holds_and_nothing_else(name, tmp_path):
    stock_file, our_file = str(tmp_path / 'stock.pth'), str(tmp_path / 'ours.pth')
    full = build(name, upsample_cfg=SIZED)
    randomize(full)
    weights = full.state_dict()
    stock = build(name, upsample_cfg=dict(type=TWINS[name].interpolation)).state_dict()
    torch.save(weights, our_file)
    torch.save({key: value for key, value in weights.items() if key in stock}, stock_file)

    module = build(name, upsample_cfg=SIZED, init_cfg=dict(type='Pretrained', checkpoint=stock_file))
    assert all(torch.equal(*pair) for pair in fusions_before_and_after(module))
    assert all(torch.equal(weights[key], value) for key, value in module.state_dict().items() if key in stock)
    for kind in ('Pretrained', PretrainedInit):
        module = build(name, upsample_cfg=SIZED, init_cfg=dict(type=kind, checkpoint=our_file))
        module.init_weights()
        assert all(torch.equal(weights[key], value) for key, value in module.state_dict().items())


@pytest.mark.parametrize(
    'name',
    [
        name
        for name in TWINS
        # SAN's adapter has no norm, and the mask features of SOLOv2 a norm_cfg of their own
        if takes(name, 'norm_cfg') and name not in ('FusionSideAdapterCLIPHead', 'FusionSOLOV2Head')
    ],
)
def test_norms_of_what_upsamples_are_of_the_kind_of_its_host(name):
    module = build(name, upsample_cfg='IndexNet', norm_cfg=dict(type='SyncBN', eps=0.125))
    norms = [each for each in module.fusions.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(norm, torch.nn.SyncBatchNorm) and norm.eps == 0.125 for norm in norms)


@pytest.mark.parametrize('name', TWINS)
def test_training_starts_as_that_of_the_stock_module(name):
    """Weights of one spread, and constants, but for what upsamples."""
    twin = TWINS[name]
    if twin.stock is None:
        pytest.skip('this framework lacks the stock module')
    modules = twin.stock(**copy.deepcopy(twin.options)), build(name, upsample_cfg=dict(type=twin.interpolation))
    for module in modules:
        torch.manual_seed(0)
        part = getattr(module, 'side_adapter_network', module)  # as above
        getattr(part, 'init_weights', lambda: None)()  # mmengine starts what has none as it was built
    theirs, ours = (dict(module.named_parameters()) for module in modules)
    differing = {}
    for key, weight in theirs.items():
        if weight.numel() == 1:
            continue
        spreads = [each.std().item() for each in (weight, ours[key])]
        if min(spreads) == 0:
            same = spreads[0] == spreads[1] and torch.equal(weight.mean(), ours[key].mean())
        else:  # the ratio of two spreads, each of n numbers, is known to 1 / sqrt(n) of itself
            same = abs(spreads[0] / spreads[1] - 1) < 5 / weight.numel() ** 0.5
        if not same:
            differing[key] = spreads
    assert not differing


@pytest.mark.parametrize('name', MAPS)
def test_maps_that_do_not_fit_are_named(name):
    twin = TWINS[name]
    module = build(name, upsample_cfg=dict(type='carafe', compressed_channels=8))
    maps = [torch.rand(2, 5, *feat.shape[2:]) for feat in twin.inputs(twin.even)]
    with pytest.raises(ValueError, match=SPEAKERS.get(name, name)):
        module(maps)


@pytest.mark.parametrize('name', TWINS)
def test_an_unknown_option_is_named(name):
    with pytest.raises(TypeError, match=f'{name} has no option upsample_cgf .did you mean upsample_cfg'):
        build(name, upsample_cgf='bilinear')


def test_heads_want_what_they_upsample():
    with pytest.raises(ValueError, match='upsamples no features'):
        build('FusionSepASPPHead', **dict(c1_in_channels=0))
    with pytest.raises(ValueError, match='upsamples no features'):
        build('FusionFCNHead', **dict(input_transform='multiple_select'))


@pytest.mark.parametrize('last_on_inputs', [True, False])
def test_clrnets_pyramid_takes_the_old_way_to_say_where_extra_levels_come_from(last_on_inputs):
    twin = TWINS['FusionCLRFPN']
    options = dict(twin.options, end_level=-1, num_outs=3, add_extra_convs=True, extra_convs_on_inputs=last_on_inputs)
    stock = twin.stock(**options).eval()
    ours = MODELS.build(dict(options, type='FusionCLRFPN', upsample_cfg='nearest', cfg=None)).eval()
    ours.load_state_dict(stock.state_dict())
    inputs = twin.inputs(twin.even)
    assert all(torch.equal(*pair) for pair in zip(call(stock, inputs), call(ours, inputs)))


def test_levels_counted_from_the_last_one_are_checked():
    head = MODELS.build(dict(TWINS['FusionLRASPPHead'].options, type='FusionLRASPPHead'))
    with pytest.raises(ValueError, match=r'in_index=\[-3, -2, -1\] wants at least 3 maps, got 1 maps'):
        check_selection(type(head).__name__, [torch.rand(1, 8, 4, 4)], [-3, -2, -1])


def test_every_host_keeps_the_initialisation_of_its_fusions():
    from freqfusion_mm.models import backbones, decode_heads, mask_heads, necks, pixel_decoders

    rooms = (backbones, decode_heads, mask_heads, necks, pixel_decoders)
    hosts = [cls for room in rooms for cls in vars(room).values()]
    hosts = [cls for cls in hosts if isinstance(cls, type) and 'upsample_cfg' in signature(cls.__init__).parameters]
    by_name = {'FusionRFP', 'FusionSideAdapterCLIPHead'}  # initialise layers by name, and never all
    assert {cls.__name__ for cls in hosts if not issubclass(cls, KeptInit)} <= by_name and len(hosts) > 30


def test_a_dropped_plugin_is_refused_with_the_twin():
    with pytest.raises(TypeError, match='the twin of FPN_DropBlock is FusionFPNDropBlock'):
        FusionFPN(in_channels=[8, 16], out_channels=8, num_outs=2, plugin=dict(type='DropBlock'))


@pytest.mark.parametrize('neck', [mmdet_necks.FPN, mmseg_necks.FPN, mmdet_necks.FPN_DropBlock])
def test_a_stock_neck_that_is_given_an_upsampler_says_who_takes_it(neck):
    twin = 'FusionFPNDropBlock' if neck is mmdet_necks.FPN_DropBlock else 'FusionFPN'
    with pytest.raises(TypeError, match=f"write neck=dict.type='{twin}',"):
        neck([8, 16], 8, 2, upsample_cfg=dict(type='FreqFusion'))
    with DefaultScope.overwrite_default_scope('mmdet'):
        neck([8, 16], 8, 2, upsample_cfg=dict(mode='bilinear'))


@pytest.mark.parametrize('compact', [False, True])
@pytest.mark.parametrize('psa_type', ['collect', 'distribute', 'bi-direction'])
def test_every_kind_of_point_wise_attention_is_the_stock_one(psa_type, compact):
    small = TWINS['FusionPSAHead']
    unshrunk = dict(shrink_factor=1, psa_softmax=True, align_corners=True)
    for size, mask, more in ((16, (8, 12), {}), (27, (14, 18), {}), (16, (16, 24), unshrunk)):
        options = dict(small.options, psa_type=psa_type, compact=compact, mask_size=mask, **more)
        stock = small.stock(**options).eval()
        ours = MODELS.build(dict(options, type='FusionPSAHead', upsample_cfg='bilinear')).eval()
        ours.load_state_dict(stock.state_dict())
        inputs = small.inputs(size)
        assert torch.equal(stock(inputs), ours(inputs))


def test_the_balanced_pyramid_sharpens_the_finer_levels_alone():
    """The coarser ones come first in its list, and nobody reads what their guide would become."""
    neck = MODELS.build(dict(type='FusionBFP', in_channels=8, num_levels=4, refine_level=1, upsample_cfg=SIZED))
    assert [fusion.keep_hr for fusion in neck.fusions] == [False, False, True]


def test_fpg_goes_down_a_pathway_too():
    options = dict(
        FPG, paths=['td'] * 3, same_up_trans=None, same_down_trans=FPG['across_down_trans'], skip_inds=[()] * 4
    )
    stock = mmdet_necks.FPG(**copy.deepcopy(options)).eval()
    ours = MODELS.build(dict(copy.deepcopy(options), type='FusionFPG', upsample_cfg='nearest')).eval()
    ours.load_state_dict(stock.state_dict())
    assert len(ours.fusions) == 2 * 3 * 3
    inputs = pyramid(LEVELS, 16)
    assert all(torch.equal(*pair) for pair in zip(stock(inputs), ours(inputs)))


@pytest.mark.parametrize('name', ['FusionCTResNetNeck', 'FusionERFNet'])
def test_a_kept_deconv_takes_no_options(name):
    with pytest.raises(TypeError, match='which has no options here, got .*kernel_size'):
        build(name, upsample_cfg=dict(type='deconv', kernel_size=4))
