"""LiftPool: pooling by a learned lifting scheme, and unpooling by running it backwards.

Paper: LiftPool: Bidirectional ConvNet Pooling, ICLR 2021, arXiv 2104.00996.
Source: written from the paper's description; its code was never released. What the description leaves open is decided
here and said at each argument.
"""

import torch
from torch import Tensor, nn

from ..protocol import Upsampler, no_samples
from .lifting import Lifting, SubBands

OUTPUTS = ('sum', 'low', 'concat')


class LiftDownPool(nn.Module):
    """Halves a map: splits it into four sub-bands by learned, exactly invertible lifting, and hands on their sum.

    Convention:
        Width first, then height, one predictor and one updater for the three 1-D lifts: see `Lifting`. The output has
        `ceil(H/2) x ceil(W/2)` pixels; an odd axis is lengthened by a copy of its last pixel. Layers share nothing.
        With `variant='linear', init='haar', output='low', trainable=False` it is average pooling of 2x2 pixels.

    Args:
        channels: C.
        kernel_size, variant, init, border: of the filters, see `Lifting`.
        output: 'sum' of the four sub-bands (the paper's figure 6); 'low': LL alone; 'concat': all four, 4C channels.
        trainable: off, the filters stay as initialised: a fixed wavelet.

    Attributes:
        out_channels: channels of the output.
        penalties: the two regularisers of the last forward pass, `None` until `keep_penalties` is switched on: see
            `LiftRegularization`.

    Example:
        >>> pool = LiftDownPool(8)
        >>> pooled, bands = pool.split(torch.rand(1, 8, 7, 10))
        >>> pooled.shape, torch.equal(pooled, bands.ll + bands.lh + bands.hl + bands.hh)
        (torch.Size([1, 8, 4, 5]), True)
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 5,
        variant: str = 'depthwise',
        init: str = 'random',
        border: str = 'replicate',
        output: str = 'sum',
        trainable: bool = True,
    ) -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise ValueError(f'output must be one of {OUTPUTS}, got {output!r}')
        self.output = output
        self.out_channels = 4 * channels if output == 'concat' else channels
        self.lifting = Lifting(channels, kernel_size, variant, init, border)
        self.lifting.requires_grad_(trainable)
        self.keep_penalties = False
        self.penalties: tuple[Tensor, Tensor] | None = None

    def forward(self, feat: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, out_channels, ceil(H/2), ceil(W/2)]."""
        return self.split(feat)[0]

    def split(self, feat: Tensor) -> tuple[Tensor, SubBands]:
        """The output of `forward`, and the sub-bands that `LiftUpPool` takes as its guide."""
        bands, lifts = self.lifting.decompose(feat)
        if self.keep_penalties and self.training and not no_samples(feat):  # the mean of none is no number
            self.penalties = _penalties(lifts)
        if self.output == 'low':
            return bands.ll, bands
        if self.output == 'concat':
            return torch.cat(bands[:4], dim=1), bands
        return bands.ll + bands.lh + bands.hl + bands.hh, bands

    def __getstate__(self) -> dict:
        """For copies: penalties are a part of one pass's graph, which cannot be copied."""
        return dict(self.__dict__, penalties=None)


def _penalties(lifts: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Regularisers of the updater and of the predictor, `mean((coarse - odd)^2)` and `mean(detail^2)`, averaged over
    the three lifts, all of which the one pair of filters serves.
    """
    update = torch.stack([(coarse - odd).square().mean() for coarse, _, odd in lifts]).mean()
    predict = torch.stack([detail.square().mean() for _, detail, _ in lifts]).mean()
    return update, predict


class LiftUpPool(Upsampler):
    """Doubles a map: takes it for the LL band and runs the lifting backwards, with the details that pooling stored.

    The paper does not say which tensor takes the LL slot where the sum of the bands was handed on: here it is the
    decoder's feature, and the stored LL is not read. It is the exact inverse of `LiftDownPool` where the feature is the
    stored LL and the filters are tied.

    Args:
        lr_channels: channels of the decoder's feature, and of the output.
        hr_channels: channels of the stored details. Where they differ, one 1x1 convolution for the three bands brings
            them to `lr_channels`. None: `lr_channels`.
        kernel_size, variant, init, border: of filters of its own, see `Lifting`.
        tied: the `LiftDownPool` whose filters it shares ("the same computation run backwards"); the four options
            before are not looked at then. None: filters of its own.

    Raises:
        ValueError: a tied layer of other channels.

    Example:
        >>> pool = LiftDownPool(8).double()
        >>> feat = torch.rand(1, 8, 7, 10, dtype=torch.float64)
        >>> _, bands = pool.split(feat)
        >>> torch.allclose(LiftUpPool(8, tied=pool)(bands.ll, bands), feat, atol=1e-12)
        True
        >>> LiftUpPool(4, 8).double()(torch.rand(1, 4, 4, 5).double(), bands).shape
        torch.Size([1, 4, 7, 10])
    """

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int | None = None,
        kernel_size: int = 5,
        variant: str = 'depthwise',
        init: str = 'random',
        border: str = 'replicate',
        tied: LiftDownPool | None = None,
    ) -> None:
        super().__init__()
        hr_channels = lr_channels if hr_channels is None else hr_channels
        if tied is not None and (tied.lifting.channels != lr_channels or hr_channels != lr_channels):
            raise ValueError(
                f'a tied LiftUpPool must have the {tied.lifting.channels} channels of the pooling on both '
                f'sides, got lr_channels={lr_channels}, hr_channels={hr_channels}: use tied=None'
            )
        self.adapter = nn.Conv2d(hr_channels, lr_channels, 1, bias=False) if hr_channels != lr_channels else None
        self.lifting = Lifting(lr_channels, kernel_size, variant, init, border) if tied is None else tied.lifting

    def forward(self, lr_feat: Tensor, hr_feat: SubBands) -> Tensor:
        """Unpool.

        Args:
            lr_feat: [B, lr_channels, h, w].
            hr_feat: sub-bands of the matching `LiftDownPool.split`, each [B, hr_channels, h, w].

        Returns:
            [B, lr_channels, H, W], the size that was pooled.

        Raises:
            TypeError: no sub-bands.
            ValueError: maps that do not fit.
        """
        if not isinstance(hr_feat, SubBands):
            raise TypeError(
                f'the guide of LiftUpPool must be the SubBands of LiftDownPool.split, got {type(hr_feat).__name__}'
            )
        details = hr_feat[1:4]
        if self.adapter is not None:
            details = [self.adapter(band) for band in details]
        if any(band.shape != lr_feat.shape for band in details):
            raise ValueError(
                f'lr_feat must have the shape of the details, {tuple(details[0].shape)}, '
                f'got {tuple(lr_feat.shape)}: pair each LiftUpPool with the pooling of its own level'
            )
        return self.lifting.compose(SubBands(lr_feat, *details, hr_feat.size))
