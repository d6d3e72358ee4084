"""FreqFusion: frequency-aware fusion of a coarse and a fine feature map.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction, TPAMI 2024, arXiv 2408.12879.
Source: Linwei-Chen/FreqFusion (3fb0c70, no licence), written anew. Ours takes any pair of sizes, any float dtype and
any device without a compiled extension, has the offset generator on as in every released config, and keeps low
resolution first in its arguments.
"""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import resize_nearest
from ..inside import Inside, by_taps
from ..option_checks import check_groups, check_positive, check_windows
from ..protocol import Fusion, check_dtypes, check_pair, keep_layout, no_samples, step_guides, with_sample
from ..recomputation import recomputed
from ..reference import ReferenceNames
from ..registry import register_upsampler
from .adaptive_filter import AdaptiveFilter
from .offset_generator import OffsetGenerator


@register_upsampler('FreqFusion')
class FreqFusion(ReferenceNames, Fusion):
    """Upsamples `lr_feat` with adaptive low-pass kernels and offsets, and sharpens `hr_feat` with high-pass kernels.

    Convention:
        Kernels are predicted from both maps after 1x1 compression. The low-pass window of fine pixel Y centres on
        coarse pixel `floor(Y*h/H)`. The two maps may have any sizes with `H >= h`: one step reaches the ratio 2 (up to
        `2h + 1` pixels); for more, the layer repeats itself with the same weights, guided on the way by `hr_feat`
        average-pooled to the size of each step. Exactly the authors' result where the ratio is 2.
        Kernels are float32 or better under autocast and are handed on in the dtype of the features.

    Args:
        lr_channels, hr_channels: channels of the two maps.
        lowpass_kernel, highpass_kernel: odd window widths of the two adaptive filters.
        groups: channel groups that have kernels of their own; divides the channels of all maps that are filtered, the
            compressed ones among them where there is an `initial_highpass`.
        encoder_kernel, encoder_dilation: of the convolutions that predict kernels.
        compressed_channels: width of the compressed maps. None: `(lr_channels + hr_channels) // compress_ratio`.
        compress_ratio: see `compressed_channels`; 8 in the released detectors, 4 in the released SegNeXt. None: 8, or
            what leaves one channel.
        hamming_window: multiply the kernels by a Hamming window (off in the released segmentors).
        lowpass: reassemble `lr_feat` with the low-pass kernels. Off, it is interpolated by `upsample_mode`, and the
            offsets move that.
        highpass: sharpen `hr_feat`. Off, it passes unchanged.
        highpass_residual: add the high frequencies to `hr_feat`; off, return them alone.
        initial_fusion: predict the kernels from maps that went through a first pass of the filters themselves. With
            `highpass=False`, a pair the authors leave undefined, only the low-pass filter takes part.
        initial_lowpass, initial_highpass: the two filters of that first pass apart: the kernels that upsample the
            predictions of `lr_feat` (off: nearest), and the sharpening of the compressed `hr_feat`. None: as `lowpass`
            and `highpass`. A filter whose result nothing reads is left out.
        semi_conv: predict kernels for both maps apart and add them; off, add the maps before, the coarse one upsampled
            by 'nearest', and filter at high resolution what `upsample_mode` makes of `lr_feat`.
        upsample_mode: 'nearest' | 'bilinear' | 'bicubic', for `lr_feat` without `semi_conv` or without `lowpass`.
        align_corners: of `upsample_mode`.
        resample: the offset generator.
        resample_groups: channel groups that it moves apart; divides `lr_channels`. None: the greatest common
            divisor of 4 and `lr_channels`.
        resample_norm: GroupNorm in the offset generator.
        resample_direction: 'concat' as in the released configs, or 'similarity': see `OffsetGenerator`.
        resample_kernel: kernel of its convolutions; None: `encoder_kernel`, as released. With
            `resample_direction='similarity', resample_kernel=1` the parameters are those of the paper's tables
            (SegNeXt-T +0.18 M, SegFormer-B1 +0.34 M), which those of the released configs exceed.
        padding: 'zeros' (mmcv's op, with which the published weights were trained) or 'reflect' (the authors'
            fallback).
        init: 'released': Xavier for the offset convolutions, as the released `init_weights` leaves them and the
            published numbers were trained. 'intended': N(0, 0.001) for the offsets and zero for their scales, as the
            authors' constructor sets before it overwrites them.
        with_cp: make activations again in the backward pass: less memory, more time.
        keep_hr: whether the sharpened `hr_feat` is used; off, it passes unchanged, and of the high-pass filter only
            what the low-pass kernels need is left: nothing, without `initial_fusion` or `semi_conv`. `lr_up` is the
            same.

    Example:
        >>> import torch
        >>> fusion = FreqFusion(lr_channels=32, hr_channels=16)
        >>> lr_up, hr_feat = fusion(torch.rand(1, 32, 14, 7), torch.rand(1, 16, 27, 13))
        >>> lr_up.shape, hr_feat.shape
        (torch.Size([1, 32, 27, 13]), torch.Size([1, 16, 27, 13]))
    """

    reference_args = {
        'up_group': 'groups',
        'feature_resample': 'resample',
        'feature_resample_group': 'resample_groups',
        'feature_resample_norm': 'resample_norm',
        'comp_feat_upsample': 'initial_fusion',
        'use_high_pass': 'highpass',
        'hr_residual': 'highpass_residual',
    }
    reference_fixed = {
        'scale_factor': (1, "the maps' sizes are the ratio; the authors' code doubles, whatever it says"),
        'use_low_pass': (True, "the authors' code has no upsampling without it"),
    }
    reference_defaults = {'resample': False, 'compressed_channels': 64}
    reference_keys = {
        'hr_channel_compressor': 'hr_compressor',
        'lr_channel_compressor': 'lr_compressor',
        'content_encoder': 'lowpass_encoder',
        'content_encoder2': 'highpass_encoder',
        'dysampler': 'offset_generator',
        'hamming_lowpass': None,
        'hamming_highpass': None,
    }

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        lowpass_kernel: int = 5,
        highpass_kernel: int = 3,
        groups: int = 1,
        encoder_kernel: int = 3,
        encoder_dilation: int = 1,
        compressed_channels: int | None = None,
        compress_ratio: int | None = None,
        hamming_window: bool = True,
        lowpass: bool = True,
        highpass: bool = True,
        highpass_residual: bool = True,
        initial_fusion: bool = True,
        initial_lowpass: bool | None = None,
        initial_highpass: bool | None = None,
        semi_conv: bool = True,
        upsample_mode: str = 'nearest',
        align_corners: bool = False,
        resample: bool = True,
        resample_groups: int | None = None,
        resample_norm: bool = True,
        resample_direction: str = 'concat',
        resample_kernel: int | None = None,
        padding: str = 'zeros',
        init: str = 'released',
        with_cp: bool = False,
        keep_hr: bool = True,
    ) -> None:
        super().__init__()
        windows = dict(lowpass_kernel=lowpass_kernel, highpass_kernel=highpass_kernel, encoder_kernel=encoder_kernel)
        check_windows(**windows, resample_kernel=resample_kernel or encoder_kernel)
        check_positive(encoder_dilation=encoder_dilation)
        check_groups(groups, lr_channels=lr_channels)
        if highpass and keep_hr:
            check_groups(groups, hr_channels=hr_channels)
        if resample and resample_groups is not None:
            check_groups(resample_groups, 'resample_groups', lr_channels=lr_channels)
        for name, value, choices in (
            ('padding', padding, ('zeros', 'reflect')),
            ('init', init, ('released', 'intended')),
            ('upsample_mode', upsample_mode, ('nearest', 'bilinear', 'bicubic')),
        ):
            if value not in choices:
                raise ValueError(f'{name} must be one of {choices}, got {value!r}')
        if (initial_lowpass or initial_highpass) and not (initial_fusion and semi_conv):
            raise ValueError(
                'initial_lowpass and initial_highpass are the filters of the initial fusion, which wants '
                f'initial_fusion=True and semi_conv=True, got {initial_fusion} and {semi_conv}'
            )
        if compressed_channels is not None and compress_ratio is not None:
            raise ValueError(
                'compressed_channels and compress_ratio are two ways to say one width: give one of them, got '
                f'{compressed_channels} and {compress_ratio}'
            )
        check_positive(lr_channels=lr_channels, hr_channels=hr_channels)
        if compressed_channels is None:
            compress_ratio = min(8, lr_channels + hr_channels) if compress_ratio is None else compress_ratio
            check_positive(compress_ratio=compress_ratio)
            compressed_channels = (lr_channels + hr_channels) // compress_ratio
            if compressed_channels < 1:
                raise ValueError(
                    f'compressed_channels must be positive, got {compressed_channels} from lr_channels='
                    f'{lr_channels}, hr_channels={hr_channels}, compress_ratio={compress_ratio}'
                )
        check_positive(compressed_channels=compressed_channels)
        self.lr_channels = lr_channels
        self.hr_channels = hr_channels
        self.compressed_channels = compressed_channels
        self.lowpass_kernel = lowpass_kernel
        self.highpass_kernel = highpass_kernel
        self.groups = groups
        self.lowpass = lowpass
        self.highpass = highpass and keep_hr
        initial = initial_fusion and semi_conv
        predicts = lowpass or self.highpass
        self.initial_lowpass = initial and predicts and (lowpass if initial_lowpass is None else initial_lowpass)
        self.initial_highpass = (
            initial
            and (lowpass or self.initial_lowpass or resample)
            and (highpass if initial_highpass is None else initial_highpass)
        )
        if self.initial_highpass and compressed_channels % groups:
            raise ValueError(
                f'groups must divide compressed_channels={compressed_channels}, whose map the initial fusion sharpens, '
                f'got {groups}'
            )
        self.highpass_residual = highpass_residual
        self.initial_fusion = initial_fusion
        self.semi_conv = semi_conv
        self.upsample_mode = upsample_mode
        self.align_corners = align_corners
        self.resample = resample
        self.resample_groups = (resample_groups or math.gcd(4, lr_channels)) if resample else 1
        self.padding = padding
        self.init = init
        self.with_cp = with_cp
        self.keep_hr = keep_hr

        compresses = predicts or resample
        self.lr_compressor = nn.Conv2d(lr_channels, compressed_channels, 1) if compresses else None
        self.hr_compressor = nn.Conv2d(hr_channels, compressed_channels, 1) if compresses else None
        self.lowpass_filter = AdaptiveFilter(lowpass_kernel, groups, hamming_window, padding)
        self.highpass_filter = AdaptiveFilter(highpass_kernel, groups, hamming_window, padding)
        encoder = dict(channels=compressed_channels, encoder_kernel=encoder_kernel, encoder_dilation=encoder_dilation)
        encodes_lowpass, encodes_highpass = lowpass or self.initial_lowpass, self.highpass or self.initial_highpass
        self.lowpass_encoder = self.lowpass_filter.build_encoder(**encoder) if encodes_lowpass else None
        self.highpass_encoder = self.highpass_filter.build_encoder(**encoder) if encodes_highpass else None
        self.offset_generator = None
        if resample:
            options = dict(
                kernel_size=resample_kernel or encoder_kernel, norm=resample_norm, direction=resample_direction
            )
            self.offset_generator = OffsetGenerator(compressed_channels, self.resample_groups, **options)
        self.init_weights()

    def init_weights(self) -> None:
        """See the argument `init`; mmengine calls it again."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        encoders = [self.lowpass_encoder, self.highpass_encoder]
        if self.init == 'intended' and self.offset_generator is not None:
            encoders += [self.offset_generator.lr_offset, self.offset_generator.hr_offset]
            nn.init.zeros_(self.offset_generator.lr_scale.weight)
            nn.init.zeros_(self.offset_generator.hr_scale.weight)
        for encoder in filter(None, encoders):
            nn.init.normal_(encoder.weight, std=0.001)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # The authors store the window, or a single 1 for none: the only trace of the option in their checkpoints.
        window = state_dict.get(prefix + 'hamming_lowpass')
        if window is not None and (window.numel() > 1) != (self.lowpass_filter.window is not None):
            raise RuntimeError(
                f'{prefix}hamming_lowpass: the checkpoint was trained with hamming_window='
                f'{window.numel() > 1}, this layer has hamming_window={window.numel() <= 1}: '
                'build the layer with the value of the checkpoint'
            )
        if not self.keep_hr and self.highpass_encoder is None:  # what was trained before, or for another caller, has it
            for name in ('highpass_encoder', 'content_encoder2'):
                for parameter in ('weight', 'bias'):
                    state_dict.pop(f'{prefix}{name}.{parameter}', None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, lr_feat: Tensor, hr_feat: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            lr_feat: [B, lr_channels, h, w].
            hr_feat: [B, hr_channels, H, W], at least as large.

        Returns:
            `lr_feat` upsampled to [B, lr_channels, H, W], and `hr_feat` sharpened, [B, hr_channels, H, W].

        Raises:
            ValueError: maps that are not 4-D, of no pixel, of other channels or batch sizes, or in the wrong order.
            TypeError: maps and weights of several dtypes, outside autocast.
        """
        check_pair(self, lr_feat, hr_feat)
        check_dtypes(self, lr_feat, hr_feat)
        if no_samples(lr_feat):
            lr_up, sharpened = self._fuse(with_sample(lr_feat), with_sample(hr_feat))
            return lr_up[:0], sharpened[:0]
        return recomputed(self, self._fuse, lr_feat, hr_feat)

    def _fuse(self, lr_feat: Tensor, hr_feat: Tensor) -> tuple[Tensor, Tensor]:
        lr_up = lr_feat
        *earlier, guide = step_guides(lr_feat, hr_feat)
        for each in earlier:
            lr_up, *_ = self.fuse_step(lr_up, each, sharpen=False)
        lr_up, sharpened, _ = self.fuse_step(lr_up, guide)
        return keep_layout(lr_up, lr_feat), keep_layout(sharpened, hr_feat)

    def fuse_step(self, lr_feat: Tensor, hr_feat: Tensor, sharpen: bool = True) -> tuple[Tensor, Tensor, Tensor | None]:
        """One step, up to the ratio 2: upsampled `lr_feat`, sharpened `hr_feat`, low-pass kernels [B, G*k*k, H, W].

        `hr_feat` stays as it is without `sharpen`, for the steps on the way, whose guides nobody reads.
        """
        if self.lr_compressor is None:
            return self._interpolate(lr_feat, hr_feat), hr_feat, None
        lr, hr, _, kernels, highpass = self._predict(lr_feat, hr_feat, sharpen)
        lr_up = lr_feat if self.semi_conv and self.lowpass else self._interpolate(lr_feat, hr)
        if self.lowpass:
            lr_up = self.lowpass_filter.smooth(lr_up, kernels)
        if self.offset_generator is not None:
            lr_up = self.offset_generator(lr, hr, lr_up)
        if self.highpass and sharpen:
            hr_feat = self.highpass_filter.sharpen(hr_feat, highpass, self.highpass_residual)
        return lr_up, hr_feat, kernels

    def _interpolate(self, lr_feat: Tensor, fine: Tensor) -> Tensor:
        align_corners = None if self.upsample_mode == 'nearest' else self.align_corners
        return F.interpolate(lr_feat, fine.shape[-2:], mode=self.upsample_mode, align_corners=align_corners)

    def inside(self, lr_feat: Tensor, hr_feat: Tensor | None = None) -> Inside | None:
        if not self.lowpass:
            return None  # interpolation is not shown
        *earlier, guide = step_guides(lr_feat, hr_feat)
        for each in earlier:
            lr_feat = self.fuse_step(lr_feat, each, sharpen=False)[0]
        lr, hr, lowpass, kernels, highpass = self._predict(lr_feat, guide)
        kernels, lowpass = (by_taps(each, self.lowpass_kernel) for each in (kernels, lowpass))
        inside = Inside(tuple(lr_feat.shape[-2:]), kernels, lowpass)
        if self.highpass:
            inside.highpass = self.highpass_filter.details(highpass)
        if self.offset_generator is not None:
            inside.offsets = self.offset_generator.predict(lr, hr)
        if not self.semi_conv:  # the windows are of the map that was resized before
            ratios = [fine / coarse for fine, coarse in zip(guide.shape[-2:], inside.coarse)]
            inside.coarse = tuple(guide.shape[-2:])
            if inside.offsets is not None:
                inside.offsets = inside.offsets * inside.offsets.new_tensor(ratios[::-1]).view(2, 1, 1, 1)
        return inside

    def _predict(
        self, lr_feat: Tensor, hr_feat: Tensor, sharpen: bool = True
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """The compressed maps, the fine one sharpened by `initial_fusion`; logits and kernels of the low-pass filter;
        logits of the high-pass filter, without use where nothing is to `sharpen`.
        """
        lr, hr = self.lr_compressor(lr_feat), self.hr_compressor(hr_feat)  # [B, C', h, w], [B, C', H, W]
        if self.semi_conv and self.initial_fusion:
            return lr, *self._initial_fusion(lr, hr, sharpen)
        if self.semi_conv:
            lowpass, highpass = (
                None if logits is None else logits + resize_nearest(lr_logits, hr.shape[-2:])
                for logits, lr_logits in zip(self._encode(hr, sharpen), self._encode(lr, sharpen))
            )
        else:
            lowpass, highpass = self._encode(resize_nearest(lr, hr.shape[-2:]) + hr, sharpen)
        return lr, hr, lowpass, self.lowpass_filter.kernels(lowpass) if self.lowpass else None, highpass

    def _encode(self, compressed: Tensor, sharpen: bool) -> tuple[Tensor | None, Tensor | None]:
        encoders = (
            self.lowpass_encoder if self.lowpass else None,
            self.highpass_encoder if self.highpass and sharpen else None,
        )
        return tuple(None if encoder is None else encoder(compressed) for encoder in encoders)

    def _initial_fusion(
        self, lr: Tensor, hr: Tensor, sharpen: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """The sharpened `hr`; of `_predict`, the shares of `lr` in the logits upsampled by the low-pass kernels."""
        lowpass = kernels = highpass = None
        sharpen = sharpen and self.highpass
        if self.initial_highpass or sharpen:
            highpass = self.highpass_encoder(hr)
        if self.initial_highpass:
            hr = self.highpass_filter.sharpen(hr, highpass, residual=True)
        if self.lowpass_encoder is not None:
            lowpass = self.lowpass_encoder(hr)
            first = self.lowpass_filter.kernels(lowpass) if self.initial_lowpass else None
            lowpass = lowpass + self._upsample_logits(self.lowpass_encoder(lr), first, hr)
            if self.lowpass or sharpen:
                kernels = self.lowpass_filter.kernels(lowpass)
        if sharpen:
            highpass = highpass + self._upsample_logits(self.highpass_encoder(lr), kernels, hr)
        return hr, lowpass, kernels, highpass

    def _upsample_logits(self, logits: Tensor, kernels: Tensor | None, hr: Tensor) -> Tensor:
        if not self.initial_lowpass:
            return resize_nearest(logits, hr.shape[-2:])
        return self.lowpass_filter.smooth(logits, kernels)
