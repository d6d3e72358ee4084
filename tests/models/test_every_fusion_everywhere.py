"""Every upsampler in every module that takes one: it builds, takes odd sizes, and every weight learns.

A weight without a gradient stops DistributedDataParallel at its second step, so that is asked of each pair.
"""

import copy
import inspect
import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from small_upsamplers import CFGS
from torch import distributed, nn

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')
pytest.importorskip('mmcv.ops')

from mmengine.config import ConfigDict  # noqa: E402
from mmengine.registry import MODELS as REGISTRY  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from twins.all_twins import TWINS  # noqa: E402
from twins.inputs import call, flat  # noqa: E402

import freqfusion_mm.models.decode_heads as heads  # noqa: E402
import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.zoo.twins import TWINS as IN_THE_ZOOS  # noqa: E402
from freqfusion_mm.models.backbones.fusion_unet import FusionUNet  # noqa: E402
from freqfusion_mm.models.mask_heads import FusionFCNMaskHead  # noqa: E402
from freqfusion_mm.models.necks import ESPNetV2SSDNeck, FusionFPN  # noqa: E402
from freqfusion_mm.models.necks.fusion_fpn_variants import FusionPAFPN  # noqa: E402
from freqfusion_mm.models.necks.fusion_hrfpn import FusionHRFPN  # noqa: E402
from freqfusion_mm.models.necks.fusion_ic_neck import FusionICNeck  # noqa: E402
from freqfusion_mm.models.necks.fusion_jpu import FusionJPU  # noqa: E402
from freqfusion_mm.models.necks.fusion_yolo_neck import FusionYOLOV3Neck  # noqa: E402
from freqfusion_mm.models.pixel_decoders import (  # noqa: E402
    FusionMSDeformAttnPixelDecoder,
    FusionPixelDecoder,
    FusionTransformerEncoderPixelDecoder,
)

CHANNELS = [8, 16, 24, 32]
SIZES = [(27, 21), (14, 11), (7, 6), (4, 3)]
HEAD = dict(in_channels=CHANNELS, in_index=[0, 1, 2, 3], channels=16, num_classes=3, norm_cfg=dict(type='BN'))
NECK = dict(in_channels=CHANNELS, out_channels=16, num_outs=5)
DECODER = dict(in_channels=CHANNELS, feat_channels=16, out_channels=16, norm_cfg=dict(type='GN', num_groups=4))
FFN = dict(embed_dims=16, feedforward_channels=16, num_fcs=2)
ATTENTION = dict(embed_dims=16, num_heads=2, batch_first=True)
POSITION = dict(num_feats=8, normalize=True)
METAS = [dict(batch_input_shape=(108, 84), img_shape=(108, 84))] * 2


def encoder(**attention):
    return ConfigDict(num_layers=1, layer_cfg=dict(self_attn_cfg=dict(ATTENTION, **attention), ffn_cfg=FFN))


class WithImage(nn.Module):
    """The head behind a plain transformer, of the pyramid's first map and an image of four times its size."""

    def __init__(self, **kwargs):
        super().__init__()
        self.head = heads.ImageGuidedFCNHead(in_channels=8, channels=8, num_convs=1, num_classes=3, **kwargs)

    def forward(self, levels):
        return self.head([levels[0], torch.rand(2, 3, *(4 * side for side in levels[0].shape[2:]))])


class OfImage(nn.Module):
    """A backbone, of an image of the pyramid's finest size; its finest map."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, levels):
        return self.backbone(torch.rand(2, 3, *levels[0].shape[2:]))[-1]


class OfLevels(nn.Module):
    """A module that takes some of the levels; its `finest` map first."""

    def __init__(self, module, levels=slice(None), finest=0):
        super().__init__()
        self.module, self.levels, self.finest = module, levels, finest

    def forward(self, levels):
        outs = self.module(levels[self.levels])
        return outs[self.finest], outs


class OfRegions(nn.Module):
    """A mask head, of regions whose masks have the pyramid's finest size; of regions of half that size, in fact."""

    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, levels):
        masks = self.head(torch.rand(2, 8, 14, 11))
        return masks[..., : levels[0].shape[-2], : levels[0].shape[-1]]


class WithMetas(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, levels):
        return self.decoder(levels, METAS)


class OfTwin(nn.Module):
    """A module of `twins`, of what it takes at an odd size, whatever the levels."""

    def __init__(self, name, upsample_cfg):
        super().__init__()
        self.inputs, self.odd = TWINS[name].inputs, TWINS[name].odd
        self.module = REGISTRY.build(dict(copy.deepcopy(TWINS[name].options), type=name, upsample_cfg=upsample_cfg))
        for weight in self.module.parameters():  # no branch starts at zero
            nn.init.normal_(weight, std=0.1)

    def forward(self, levels):
        return call(self.module, self.inputs(self.odd))


class OfBTS(nn.Module):
    """BTS, of five levels; `test_bts.py` has it with every upsampler."""

    def __init__(self, upsample_cfg):
        super().__init__()
        self.head = heads.FusionBTSHead(in_channels=[8, *CHANNELS], channels=256, upsample_cfg=upsample_cfg)

    def forward(self, levels):
        return self.head([torch.randn(2, 8, *(2 * side for side in SIZES[0])), *levels])


#: name -> a function of `upsample_cfg` that makes the module.
MODELS = {
    'FusionFPN': lambda cfg: FusionFPN(**NECK, upsample_cfg=cfg),
    'FusionFPN, fused': lambda cfg: FusionFPN(
        **NECK, add_extra_convs='fused', norm_cfg=dict(type='BN'), upsample_cfg=cfg
    ),
    'FusionSegformerHead': lambda cfg: heads.FusionSegformerHead(**HEAD, upsample_cfg=cfg),
    'FusionSegformerHead, stagewise': lambda cfg: heads.FusionSegformerHead(**HEAD, stagewise=True, upsample_cfg=cfg),
    'FusionHamHead': lambda cfg: heads.FusionHamHead(
        **{**HEAD, 'norm_cfg': None}, ham_channels=16, ham_kwargs=dict(MD_R=4), upsample_cfg=cfg
    ),
    'FusionUPerHead': lambda cfg: heads.FusionUPerHead(**HEAD, pool_scales=(1, 2), upsample_cfg=cfg),
    'FusionSemanticFPNHead': lambda cfg: heads.FusionSemanticFPNHead(
        **HEAD, feature_strides=[4, 8, 16, 32], upsample_cfg=cfg
    ),
    'FusionUNetHead': lambda cfg: heads.FusionUNetHead(**HEAD, upsample_cfg=cfg),
    'FusionDepthHead': lambda cfg: heads.FusionDepthHead(
        **{name: value for name, value in HEAD.items() if name != 'num_classes'}, upsample_cfg=cfg
    ),
    'FusionFCNHead': lambda cfg: heads.FusionFCNHead(**HEAD, upsample_cfg=cfg),
    'FusionSepASPPHead': lambda cfg: heads.FusionSepASPPHead(
        **{**HEAD, 'in_channels': 16, 'in_index': 1}, c1_in_channels=8, c1_channels=8, upsample_cfg=cfg
    ),
    'FusionHRFPN': lambda cfg: FusionHRFPN(CHANNELS, 16, upsample_cfg=cfg),
    'FusionPAFPN': lambda cfg: FusionPAFPN(**NECK, upsample_cfg=cfg),
    'FusionYOLOV3Neck': lambda cfg: OfLevels(
        FusionYOLOV3Neck(4, CHANNELS[::-1], CHANNELS[::-1], upsample_cfg=cfg), finest=-1
    ),
    'FusionJPU': lambda cfg: OfLevels(
        FusionJPU(in_channels=tuple(CHANNELS), mid_channels=16, dilations=(1, 2), upsample_cfg=cfg), finest=-1
    ),
    'FusionICNeck': lambda cfg: OfLevels(
        FusionICNeck(in_channels=CHANNELS[:3], out_channels=16, upsample_cfg=cfg), slice(3), finest=-1
    ),
    'ESPNetV2SSDNeck': lambda cfg: OfLevels(ESPNetV2SSDNeck(CHANNELS[:3], (16, 16, 8), upsample_cfg=cfg), slice(3)),
    'FusionUNet': lambda cfg: OfImage(
        FusionUNet(
            base_channels=8,
            num_stages=3,
            strides=(1, 1, 1),
            enc_num_convs=(1, 1, 1),
            dec_num_convs=(1, 1),
            downsamples=(True, True),
            enc_dilations=(1, 1, 1),
            dec_dilations=(1, 1),
            upsample_cfg=cfg,
        )
    ),
    'FusionFCNMaskHead': lambda cfg: OfRegions(
        FusionFCNMaskHead(
            num_convs=1,
            in_channels=8,
            conv_out_channels=8,
            num_classes=3,
            loss_mask=dict(type='mmdet.CrossEntropyLoss', use_mask=True),
            upsample_cfg=cfg,
        )
    ),
    'ImageGuidedFCNHead': lambda cfg: WithImage(upsample_cfg=cfg),
    'FusionPixelDecoder': lambda cfg: WithMetas(FusionPixelDecoder(**DECODER, upsample_cfg=cfg)),
    'FusionTransformerEncoderPixelDecoder': lambda cfg: WithMetas(
        FusionTransformerEncoderPixelDecoder(
            **DECODER, encoder=encoder(), positional_encoding=POSITION, upsample_cfg=cfg
        )
    ),
    'FusionMSDeformAttnPixelDecoder': lambda cfg: FusionMSDeformAttnPixelDecoder(
        **DECODER,
        strides=[4, 8, 16, 32],
        encoder=encoder(num_levels=3, num_points=2),
        positional_encoding=POSITION,
        num_outs=3,
        fuse_inputs=True,
        upsample_cfg=cfg,
    ),
}
#: The options of FreqFusion by which its high-pass filter has no part in the upsampled map.
APART = {
    'FreqFusion, initial_fusion=False': dict(CFGS['FreqFusion'], initial_fusion=False),
    'FreqFusion, semi_conv=False': dict(CFGS['FreqFusion'], semi_conv=False),
}
ALL = {**CFGS, **APART}


@pytest.fixture(autouse=True)
def mmseg_scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_every_fusion', scope_name='mmseg')
        yield


def pyramid():
    return [torch.randn(2, channels, *size) for channels, size in zip(CHANNELS, SIZES)]


def without_gradient(model):
    return [
        key
        for key, weight in model.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.isfinite().all())
    ]


def idle(model):
    """Weights whose gradient is zero; biases before a norm may have such a one, and so may the code of the levels, for
    deformable attention starts blind to it."""
    return [
        key
        for key, weight in model.named_parameters()
        if weight.ndim > 1 and not weight.grad.any() and key != 'level_encoding.weight'
    ]


@pytest.mark.parametrize('fusion', ALL)
@pytest.mark.parametrize('name', MODELS)
def test_every_weight_learns(name, fusion):
    model = MODELS[name](ALL[fusion]).train()
    outs = flat(model(pyramid()))
    assert tuple(outs[0].shape[-2:]) == SIZES[0] or name == 'ImageGuidedFCNHead' and outs[0].shape[-1] == SIZES[0][1]
    sum(out.square().sum() for out in outs).backward()
    assert without_gradient(model) == []
    assert idle(model) == []


@pytest.mark.slow
@pytest.mark.parametrize('fusion', ALL)
@pytest.mark.parametrize('name', TWINS)
def test_every_weight_of_a_twin_learns(name, fusion):
    module = OfTwin(name, ALL[fusion]).train()
    sum(out.square().mean() for out in module(None)).backward()
    assert without_gradient(module) == []  # zeros there may be, where kernels meet maps of one pixel


def test_no_module_that_takes_an_upsampler_is_left_out():
    ours = {
        name: cls for name, cls in REGISTRY.module_dict.items() if cls.__module__.startswith('freqfusion_mm.models')
    }
    takes = {
        name
        for name, cls in ours.items()
        for base in cls.__mro__
        if base.__module__.startswith('freqfusion_mm.models')
        and 'upsample_cfg' in inspect.signature(base.__init__).parameters
    }
    tested = {'FusionBTSHead', *TWINS, *(name.split(',')[0] for name in MODELS)}
    assert takes and takes <= tested
    assert {twin.name for twin in IN_THE_ZOOS.values()} <= tested


@pytest.mark.parametrize(
    'cls',
    [
        FusionFPN,
        FusionPixelDecoder,
        FusionTransformerEncoderPixelDecoder,
        FusionMSDeformAttnPixelDecoder,
        *(getattr(heads, name) for name in heads.__all__ if 'Fusion' in name or 'Guided' in name),
    ],
)
def test_the_default_is_freqfusion(cls):
    signatures = [inspect.signature(base.__init__).parameters for base in cls.__mro__]
    assert next(names['upsample_cfg'].default for names in signatures if 'upsample_cfg' in names) == 'FreqFusion'


def pairs(twins):
    """What two processes train: every upsampler in our own table's modules, and in every twin some of them."""
    made = {(name, fusion): partial(make, cfg) for name, make in MODELS.items() for fusion, cfg in ALL.items()}
    made |= {('FusionBTSHead', fusion): partial(OfBTS, ALL[fusion]) for fusion in twins}
    return {**made, **{(name, fusion): partial(OfTwin, name, ALL[fusion]) for name in TWINS for fusion in twins}}


def train_all(rank, meet, *twins):
    """Two steps of every pair in one of two processes; those that fail."""
    torch.set_num_threads(1)
    failures = []
    distributed.init_process_group('gloo', init_method=f'file://{meet}', rank=rank, world_size=2)
    DefaultScope.get_instance('test_every_fusion_ddp', scope_name='mmseg')
    for (name, fusion), make in pairs(twins).items():
        torch.manual_seed(0)
        model = nn.parallel.DistributedDataParallel(make().train())  # find_unused_parameters=False
        torch.manual_seed(rank)
        try:
            for _ in range(2):
                sum(out.square().mean() for out in flat(model(pyramid()))).backward()
        except RuntimeError as error:
            failures.append(f'{name}, {fusion}: {str(error)[:200]}')
        total = sum((p.grad.double().sum() for p in model.parameters() if p.grad is not None), torch.zeros(()))
        totals = [torch.zeros_like(total) for _ in range(2)]
        distributed.all_gather(totals, total)
        if not torch.equal(*totals):
            failures.append(f'{name}, {fusion}: the processes have other gradients')
    distributed.barrier()
    return failures


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    'twins', [('FreqFusion',), pytest.param(tuple(ALL), marks=pytest.mark.exhaustive)], ids=['FreqFusion', 'all']
)
def test_two_processes_train(twins, tmp_path):
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    pipes = dict(env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    command = [sys.executable, __file__]
    processes = [subprocess.Popen([*command, str(rank), str(tmp_path / 'meet'), *twins], **pipes) for rank in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], '\n'.join(outputs)


if __name__ == '__main__':
    failed = train_all(int(sys.argv[1]), *sys.argv[2:])
    print(*failed, sep='\n', flush=True)
    os._exit(bool(failed))  # gloo's threads may wait for one another at a regular exit
