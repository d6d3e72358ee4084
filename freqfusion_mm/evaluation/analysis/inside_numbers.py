"""Numbers that say whether the kernels and the offsets of a fusion are healthy."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ...layers.inside import Inside

#: Kernels whose entropy is less than this share of the most have collapsed to single taps.
COLLAPSED = 0.1
#: Where more than this share of the samples is taken more than a pixel outside the map, the offsets have left it.
LEFT = 0.1


def entropy(kernels: Tensor) -> Tensor:
    """How evenly each kernel weighs its taps: `-sum p log p`, as a share of its most, `log(k*k)`.

    Args:
        kernels: [..., k, k, H, W], not negative, each of the sum one.

    Returns:
        [..., H, W]: 0 for a single tap, 1 for the mean of all; 1 for a kernel of one tap.

    Example:
        >>> entropy(torch.full((3, 3, 1, 1), 1 / 9)).item()
        1.0
    """
    taps = kernels.shape[-4] * kernels.shape[-3]
    if taps == 1:
        return torch.ones_like(kernels[..., 0, 0, :, :])
    return torch.special.entr(kernels).sum(dim=(-4, -3)) / math.log(taps)


def logit_rms(logits: Tensor) -> Tensor:
    """Root mean square of each kernel's logits around their mean, which no softmax sees: [..., k, k, H, W] to
    [..., H, W].
    """
    return logits.sub(logits.mean(dim=(-4, -3), keepdim=True)).square().mean(dim=(-4, -3)).sqrt()


def offset_lengths(offsets: Tensor) -> Tensor:
    """Lengths [B, G, H, W] of offsets [B, 2, G, H, W]."""
    return torch.hypot(offsets[:, 0], offsets[:, 1])


def sampling_places(offsets: Tensor, coarse: tuple[int, int]) -> Tensor:
    """Where samples are taken, in the pixels of the coarse map, whose first has its centre at 0.

    Args:
        offsets: [B, 2, G, H, W], in coarse pixels, x before y.
        coarse: (h, w).

    Returns:
        [B, 2, G, H, W]: `(X + 1/2) * w/W - 1/2 + offset`, and the same for y.
    """
    height, width = offsets.shape[-2:]
    x = (torch.arange(width, dtype=offsets.dtype, device=offsets.device) + 0.5) * coarse[1] / width - 0.5
    y = (torch.arange(height, dtype=offsets.dtype, device=offsets.device) + 0.5) * coarse[0] / height - 0.5
    return torch.stack([offsets[:, 0] + x, offsets[:, 1] + y[:, None]], dim=1)


def share_outside(offsets: Tensor, coarse: tuple[int, int], margin: float = 1.0) -> float:
    """Share of the samples that are taken more than `margin` coarse pixels outside the map, or are no number."""
    places = sampling_places(offsets, coarse)
    last = places.new_tensor([coarse[1], coarse[0]]).view(2, 1, 1, 1) - 0.5
    inside = ((places >= -0.5 - margin) & (places <= last + margin)).all(dim=1)
    return 1 - float(inside.double().mean())


def numbers(inside: Inside) -> dict[str, float]:
    """What there is of: `logit_rms`; `kernel_entropy`, a share of its most; `offset_mean` and `offset_max`, in coarse
    pixels; `offset_share`, the mean offset as a share of the map's shorter side; `outside`, see `share_outside`.
    """
    found = {}
    if inside.logits is not None:
        found['logit_rms'] = float(logit_rms(inside.logits).mean())
    if inside.kernels is not None:
        found['kernel_entropy'] = float(entropy(inside.kernels).mean())
    if inside.offsets is not None:
        lengths = offset_lengths(inside.offsets)
        found['offset_mean'] = float(lengths.mean())
        found['offset_max'] = float(lengths.max())
        found['offset_share'] = found['offset_mean'] / min(inside.coarse)
        found['outside'] = share_outside(inside.offsets, inside.coarse)
    return found


def troubles(values: Mapping[str, float]) -> dict[str, str]:
    """What is wrong by the numbers of `numbers`, in words, by what it is."""
    found = {}
    if math.isnan(values.get('kernel_entropy', 1.0)):
        found['collapse'] = 'the kernels are no numbers (NaN): the training has diverged'
    elif values.get('kernel_entropy', 1.0) < COLLAPSED:
        logits = f', their logits have an rms of {values["logit_rms"]:.1f}' if 'logit_rms' in values else ''
        found['collapse'] = (
            f'the kernels have collapsed to single taps: their entropy is {values["kernel_entropy"]:.2f} of its most '
            f'(below {COLLAPSED}){logits}'
        )
    elif math.isnan(values.get('high_frequency', 0.0)):
        found['collapse'] = 'the upsampled map holds values that are not finite: the training has diverged'
    if values.get('outside', 0.0) > LEFT:
        found['offsets'] = (
            f'the offsets leave the map: {100 * values["outside"]:.0f} % of the samples are taken more than a pixel '
            f'outside it; offsets average {values["offset_mean"]:.1f} pixels, the largest is {values["offset_max"]:.1f}'
        )
    return found
