"""FPN in which one config key, `upsample_cfg`, chooses how a coarse map joins a fine one.

Paper: Feature Pyramid Networks for Object Detection (CVPR 2017); the fused extra level is that of
    CARAFE (ICCV 2019), on which the FPN of FreqFusion (TPAMI 2024) is built.
Source: keywords and results of `FPN` and `FPN_CARAFE` of mmdet 3.3 (Apache-2.0); weight names
    of `FreqFusionCARAFEFPN`, github.com/Linwei-Chen/FreqFusion (no licence). Written anew: any
    map sizes, any fusion, one class for both forms of the extra level.
"""

from collections.abc import Sequence

import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from torch import Tensor

from ...layers import FreqFusion, build_fusion
from ..fusions import DeepToShallow, KeptInit, takes_fusion
from ..levels import check_maps

_EXTRA = (False, True, 'on_input', 'on_lateral', 'on_output', 'fused')
_ORDERS = (('conv', 'norm', 'act'), ('act', 'conv', 'norm'))


def _upsamplers_name(name: str) -> str:
    """Of a weight of FPN_CARAFE's upsampler, in ours."""
    return f'upsampler.deconv.{name}' if name in ('weight', 'bias') else f'upsampler.{name}'


@takes_fusion
class FusionFPN(KeptInit, DeepToShallow, BaseModule):
    """Feature pyramid: 1x1 lateral convs, a top-down path of fusions, 3x3 output convs.

    Every step of the top-down path is `lr_up, hr = fusion(coarse, fine); fine = hr + lr_up`.

    Convention:
        `inputs[0]` is the finest map. `fusions` holds the fusions from deep to shallow, one fewer
        than levels. Sizes are free: a fusion always answers at the finer map's size, whatever the
        ratio. `end_level` is inclusive, as in mmdet's code.
        With `dict(type='nearest')` the result is that of mmdet's `FPN` with the same weights,
        and with `add_extra_convs='fused'` that of mmdet's `FPN_CARAFE`.

    Args:
        in_channels: channels of each input map, finest first.
        out_channels: channels of every output map.
        num_outs: number of output maps.
        start_level: first input that is used.
        end_level: last input that is used; -1 is the last one there is. No extra level is made
            where inputs are left out at the end.
        add_extra_convs: where the levels beyond the inputs come from. False: max-pooling of the
            last output. `'on_input'`, `'on_lateral'`, `'on_output'`: stride-2 3x3 convs, in place
            of output convs, on the last input, lateral or output. True is the first of them in
            mmdet, and the last in mmseg (in a config of its scope). `'fused'`: the
            released FreqFusion and CARAFE form: stride-2 3x3 *lateral* convs on the last input,
            which take part in the top-down path and have an output conv each.
        relu_before_extra_convs: ReLU before each `'on_*'` conv after the first.
        no_norm_on_lateral: leave `norm_cfg` out of the lateral convs.
        conv_cfg: convolution of every conv block.
        norm_cfg: normalisation of every conv block.
        act_cfg: activation of every conv block.
        order: order inside a conv block, `('conv', 'norm', 'act')` or `('act', 'conv',
            'norm')`.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see
            `layers.read_upsample_cfg`. FPN's own spelling `dict(mode='nearest')` is understood.
        init_cfg: Xavier uniform, as FPN has it, by default. The fusions keep their own initialisation.

    Raises:
        ValueError: at construction, numbers that do not fit together or an unknown choice; in
            `forward`, maps of another number, shape, channels or batch.
        TypeError: an argument of the wrong kind.

    Example:
        >>> import torch
        >>> neck = FusionFPN([8, 16, 32], 8, num_outs=4, upsample_cfg=dict(type='FreqFusion'))
        >>> maps = [torch.rand(1, c, s, s + 1) for c, s in ((8, 27), (16, 14), (32, 7))]
        >>> [tuple(out.shape[2:]) for out in neck(maps)]
        [(27, 28), (14, 15), (7, 8), (4, 4)]
    """

    twins = {'plugin': ('FusionFPNDropBlock', 'FPN_DropBlock')}
    shallow_to_deep = {'alignment': str, 'upsample_modules': _upsamplers_name}  # the authors' neck, FPN_CARAFE

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int,
        start_level: int = 0,
        end_level: int = -1,
        add_extra_convs: bool | str = False,
        relu_before_extra_convs: bool = False,
        no_norm_on_lateral: bool = False,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        order: Sequence[str] = ('conv', 'norm', 'act'),
        upsample_cfg: str | type | dict = 'FreqFusion',
        init_cfg: dict | list[dict] | None = dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if isinstance(in_channels, (str, int)) or not isinstance(in_channels, Sequence):
            raise TypeError(
                'in_channels must list the channels of every input map, e.g. [256, 512, 1024, '
                f'2048]; got {in_channels!r}'
            )
        if add_extra_convs not in _EXTRA:
            raise ValueError(f'add_extra_convs must be one of {_EXTRA}; got {add_extra_convs!r}')
        if tuple(order) not in _ORDERS:
            raise ValueError(f'order must be one of {_ORDERS}; got {tuple(order)!r}')
        self.in_channels = list(in_channels)
        self.out_channels = out_channels
        self.num_outs = num_outs
        self.start_level = start_level
        self.end_level = _last_level(len(in_channels), start_level, end_level, num_outs)
        if add_extra_convs is True:
            scope = DefaultScope.get_current_instance()
            add_extra_convs = 'on_output' if scope and scope.scope_name == 'mmseg' else 'on_input'
        self.add_extra_convs = add_extra_convs
        self.relu_before_extra_convs = relu_before_extra_convs

        num_used = self.end_level - start_level + 1
        num_extra = num_outs - num_used
        last = self.in_channels[self.end_level]
        block = dict(conv_cfg=conv_cfg, act_cfg=act_cfg, order=tuple(order), inplace=False)
        lateral = dict(block, norm_cfg=None if no_norm_on_lateral else norm_cfg)
        output = dict(block, norm_cfg=norm_cfg)
        stride2 = dict(kernel_size=3, stride=2, padding=1)

        self.lateral_convs = nn.ModuleList(
            ConvModule(channels, out_channels, 1, **lateral)
            for channels in self.in_channels[start_level : self.end_level + 1]
        )
        if self.add_extra_convs == 'fused':
            for i in range(num_extra):
                source = last if i == 0 else out_channels
                self.lateral_convs.append(ConvModule(source, out_channels, **stride2, **lateral))
        levels = len(self.lateral_convs)
        self.fusions = nn.ModuleList(
            build_fusion(upsample_cfg, out_channels, out_channels, norm_cfg=norm_cfg) for _ in range(levels - 1)
        )
        self.fpn_convs = nn.ModuleList(
            ConvModule(out_channels, out_channels, 3, padding=1, **output) for _ in range(levels)
        )
        if str(self.add_extra_convs).startswith('on_'):
            for i in range(num_extra):
                source = last if i == 0 and self.add_extra_convs == 'on_input' else out_channels
                self.fpn_convs.append(ConvModule(source, out_channels, **stride2, **output))

    @classmethod
    def from_reference(
        cls,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int,
        start_level: int = 0,
        end_level: int = -1,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        order: Sequence[str] = ('conv', 'norm', 'act'),
        use_high_pass: bool = True,
        use_low_pass: bool = True,
        lowpass_kernel: int = 5,
        highpass_kernel: int = 3,
        compress_ratio: int = 8,
        semi_conv: bool = True,
        feature_resample: bool = False,
        feature_resample_group: int = 8,
        comp_feat_upsample: bool = True,
        feature_resample_norm: bool = True,
        padding: str = 'zeros',
    ) -> 'FusionFPN':
        """Build the neck from the arguments of the authors' `FreqFusionCARAFEFPN`.

        Names and defaults are theirs, but for `padding`, which their code does not offer: see
        `FreqFusion`. `load_state_dict` takes their weights as they are.

        Raises:
            ValueError: `use_low_pass=False`, which upsamples nothing in their code.
        """
        if not use_low_pass:
            raise ValueError(
                "use_low_pass=False is not supported: the authors' code has no upsampling then. Leave it True."
            )
        fusion = dict(
            type=FreqFusion,
            lowpass_kernel=lowpass_kernel,
            highpass_kernel=highpass_kernel,
            compress_ratio=compress_ratio,
            highpass=use_high_pass,
            initial_fusion=comp_feat_upsample,
            semi_conv=semi_conv,
            resample=feature_resample,
            resample_groups=feature_resample_group,
            resample_norm=feature_resample_norm,
            padding=padding,
        )
        return cls(
            in_channels,
            out_channels,
            num_outs,
            start_level=start_level,
            end_level=end_level,
            add_extra_convs='fused',
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            order=order,
            upsample_cfg=fusion,
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Fuse a pyramid.

        Args:
            inputs: one map [B, in_channels[i], H_i, W_i] per entry of `in_channels`.

        Returns:
            `num_outs` maps with `out_channels` channels, finest first, each at its level's
            size; an extra level has half the size of the one before, rounded up.
        """
        used = range(self.start_level, self.end_level + 1)
        check_maps('FusionFPN', inputs, self.in_channels, used)
        inputs = [inputs[i] for i in used]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, inputs)]
        x = inputs[-1]
        for conv in list(self.lateral_convs)[len(inputs) :]:  # add_extra_convs='fused'
            x = conv(x)
            laterals.append(x)
        for fusion, i in zip(self.fusions, range(len(laterals) - 1, 0, -1)):
            lr_up, hr_feat = fusion(laterals[i], laterals[i - 1])
            laterals[i - 1] = self.merged(hr_feat + lr_up)
        outs = self.levels_out([conv(x) for conv, x in zip(self.fpn_convs, laterals)])

        sources = {'on_input': inputs[-1], 'on_lateral': laterals[-1]}
        x = sources.get(self.add_extra_convs, outs[-1])
        for i in range(len(laterals), self.num_outs):
            if not self.add_extra_convs:
                x = F.max_pool2d(x, 1, stride=2)
            elif self.relu_before_extra_convs and i > len(laterals):
                x = self.fpn_convs[i](F.relu(x))
            else:
                x = self.fpn_convs[i](x)
            outs.append(x)
        return tuple(outs)

    def merged(self, lateral: Tensor) -> Tensor:
        """What a level of the top-down path becomes behind its fusion."""
        return lateral

    def levels_out(self, outs: list[Tensor]) -> list[Tensor]:
        """What the outputs become before extra levels are made of them."""
        return outs


def _last_level(num_ins: int, start_level: int, end_level: int, num_outs: int) -> int:
    """Index of the last input that is used."""
    last = num_ins - 1 if end_level == -1 else end_level
    if not 0 <= start_level <= last < num_ins:
        raise ValueError(
            f'start_level and end_level must name inputs, 0 <= start <= end < {num_ins} (end may '
            f'be -1: the last; it is included, as in mmdet); got start_level={start_level}, end_level={end_level}'
        )
    used = last - start_level + 1
    if num_outs < used or (last < num_ins - 1 and num_outs != used):
        more = ' or more' if last == num_ins - 1 else ''
        raise ValueError(
            f'num_outs must be {used}{more}, for inputs {start_level} to {last} of {num_ins} (end_level is included, '
            f'as in mmdet; in mmseg it is not); got {num_outs}'
        )
    return last
