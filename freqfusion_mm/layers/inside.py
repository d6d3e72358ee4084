"""What a fusion decided for each fine pixel: the numbers that its way of upsampling comes down to, of any method."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Inside:
    """The inner quantities of one step of a layer, B samples, G groups of channels that have their own.

    Convention:
        The taps of `kernels` lie one pixel of the coarse map apart, around the coarse pixel `floor(Y*h/H)`, or,
        `around_place`, around the place of the fine pixel itself, `(Y + 1/2) * h/H - 1/2`; those of `highpass` are fine
        pixels around the fine pixel.

    Attributes:
        coarse: (h, w), the size of the map whose pixels kernels and offsets are counted in.
        kernels: weights of the coarse pixels, [B, G, k, k, H, W], which sum to one.
        logits: what the softmax that made them was given, of the same shape.
        around_place: see above.
        highpass: taps of the filter of the fine map's details, [B, G, k, k, H, W], which sum to zero.
        offsets: where samples are taken beside the fine pixel's own place, in coarse pixels, [B, 2, G, H, W], x
            before y.
        factor: what the repeated coarse pixel is multiplied by, [B, 1 or C, H, W].
        gate: share of the fine map in the result, [B, 1, H, W].
    """

    coarse: tuple[int, int]
    kernels: Tensor | None = None
    logits: Tensor | None = None
    around_place: bool = False
    highpass: Tensor | None = None
    offsets: Tensor | None = None
    factor: Tensor | None = None
    gate: Tensor | None = None


def by_taps(kernels: Tensor, kernel_size: int) -> Tensor:
    """Kernels or logits [B, G*k*k, H, W], channel `g*k*k + i*k + j` for tap (i, j), as [B, G, k, k, H, W]."""
    return kernels.unflatten(1, (-1, kernel_size, kernel_size))
