"""FADE: reassembly kernels from the encoder's and the decoder's map.

Papers: FADE: Fusing the Assets of Decoder and Encoder for Task-Agnostic Upsampling, ECCV 2022, arXiv 2207.10392;
A Task-Agnostic and Lightweight Upsampling Operator (FADE-Lite), IJCV 2024.
Source: poppinace/fade (f14f794, its `L2H` form, MIT), written anew. Ours takes any pair of sizes and any device.
"""

from torch import Tensor, nn

from ...ops import resize_nearest
from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe
from ..inside import Inside, by_taps
from ..option_checks import check_positive, check_windows
from ..protocol import GuidedUpsampler
from ..reference import ReferenceNames
from ..registry import register_upsampler


@register_upsampler('FADE')
class FADE(ReferenceNames, GuidedUpsampler):
    """Upsamples `lr_feat` by kernels predicted from both maps, and mixes it with `hr_feat` by a gate.

    Convention:
        `kernels = softmax(encode(compress(hr)) + nearest(encode(compress(lr))))`, one encoder for both maps, its bias
        added twice; the window of fine pixel Y centres on coarse pixel `floor(Y*h/H)`, zeros outside the map. The
        gated result is `g * hr + (1 - g) * reassembled`, `g = nearest(sigmoid(conv1x1(lr)))`. Ratios above 2 take
        several steps with the same weights, guided by `hr_feat` average-pooled to the size of each.

        The ablation of the paper: B1 is `source='hr', gated=False`, B2 is CARAFE, B3 `semi_shift=False, gated=False`,
        B4 `gated=False`, B5 `gated=False, skip=True`, B6 the layer as it is.

    Args:
        lr_channels, hr_channels: channels of the two maps; equal with `gated=True`.
        kernel_size: odd width of the reassembly windows.
        encoder_kernel: odd, of the convolution that predicts kernels.
        compressed_channels: width before it; not used by `lite`.
        lite: FADE-Lite: compresses to one channel a tap and encodes each apart.
        gated: as published by the authors; off, as in the comparisons of later papers, the reassembled map alone. None:
            where the channels are equal.
        skip: without gate, adds `hr_feat` to the reassembled map; the channels are equal.
        semi_shift: off, the naive kernels: the compressed maps are added, that of `lr_feat` resized by nearest, before
            they are encoded. How the authors' naive form joins the maps is our reading.
        source: of the kernels: 'both' maps, or 'hr' alone.
        with_cp: make activations again in the backward pass: less memory, more time.

    Example:
        >>> import torch
        >>> FADE(16, 16)(torch.rand(1, 16, 5, 7), torch.rand(1, 16, 11, 13)).shape
        torch.Size([1, 16, 11, 13])
    """

    reference_args = {
        'in_channels_en': 'hr_channels',
        'in_channels_de': 'lr_channels',
        'up_kernel_size': 'kernel_size',
        'gating': 'gated',
    }
    reference_same = {'in_channels_de': 'in_channels_en'}
    reference_fixed = {'scale': (2, "larger ratios are steps of 2 here, and the guide's size says how many")}
    reference_keys = {
        'gate_generator.conv': 'gate',
        'ker_generator.compressor_en': 'hr_compressor',
        'ker_generator.compressor_de': 'lr_compressor',
        'ker_generator.content_encoder': 'encoder',
        'kernel_generator.conv1_en': 'hr_compressor',
        'kernel_generator.conv1_de': 'lr_compressor',
        'kernel_generator.conv2_kernels': 'encoder.weight',
        'kernel_generator.conv2_bias': 'encoder.bias',
    }

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        kernel_size: int = 5,
        encoder_kernel: int = 3,
        compressed_channels: int = 64,
        lite: bool = False,
        gated: bool | None = None,
        skip: bool = False,
        semi_shift: bool = True,
        source: str = 'both',
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, with_cp)
        check_windows(kernel_size=kernel_size, encoder_kernel=encoder_kernel)
        check_positive(compressed_channels=compressed_channels)
        if source not in ('both', 'hr'):
            raise ValueError(f"source must be 'both' or 'hr', got {source!r}")
        if gated is None:
            gated = lr_channels == hr_channels and not skip
        if skip and (gated or lr_channels != hr_channels):
            raise ValueError(
                'skip adds both maps in place of the gate: it wants gated=False and as many channels in each, got '
                f'gated={gated}, lr_channels={lr_channels} and hr_channels={hr_channels}'
            )
        if gated and lr_channels != hr_channels:
            raise ValueError(
                'the gate adds both maps and needs as many channels in each, got lr_channels='
                f'{lr_channels} and hr_channels={hr_channels}: set gated=False'
            )
        self.kernel_size = kernel_size
        self.encoder_kernel = encoder_kernel
        self.compressed_channels = compressed_channels
        self.lite = lite
        self.gated = gated
        self.skip = skip
        self.semi_shift = semi_shift
        self.source = source
        width = kernel_size**2 if lite else compressed_channels
        self.hr_compressor = nn.Conv2d(hr_channels, width, 1)
        self.lr_compressor = nn.Conv2d(lr_channels, width, 1, bias=False) if source == 'both' else None
        self.encoder = nn.Conv2d(
            width, kernel_size**2, encoder_kernel, padding=encoder_kernel // 2, groups=width if lite else 1
        )
        self.gate = nn.Conv2d(lr_channels, 1, 1) if gated else None
        for module in self.children():
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        kernels = normalize_kernels(self._logits(lr_feat, guide), self.kernel_size).to(lr_feat.dtype)
        lr_up = carafe(lr_feat, kernels, self.kernel_size)
        guide = guide.to(lr_feat.dtype)
        if self.gate is None:
            return lr_up + guide if self.skip else lr_up
        return lr_up + self._gate(lr_feat, guide).to(lr_feat.dtype) * (guide - lr_up)

    def step_inside(self, lr_feat: Tensor, guide: Tensor) -> Inside:
        logits = self._logits(lr_feat, guide)
        kernels = normalize_kernels(logits, self.kernel_size)
        return Inside(
            tuple(lr_feat.shape[-2:]),
            by_taps(kernels, self.kernel_size),
            by_taps(logits, self.kernel_size),
            gate=None if self.gate is None else self._gate(lr_feat, guide),
        )

    def _logits(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        """[B, k*k, H, W]."""
        hr = self.hr_compressor(guide)
        if self.lr_compressor is None:
            return self.encoder(hr)
        lr, size = self.lr_compressor(lr_feat), guide.shape[-2:]
        if not self.semi_shift:
            return self.encoder(hr + resize_nearest(lr, size))
        return self.encoder(hr) + resize_nearest(self.encoder(lr), size)

    def _gate(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        """[B, 1, H, W]."""
        return resize_nearest(self.gate(lr_feat).sigmoid(), guide.shape[-2:])
