"""Cosine similarity of every pixel to its eight dilated neighbours."""

from torch import Tensor

from ..dispatch import Operator
from ..library import empty_map
from ..triton import Kernels
from . import gathered, reference


def neighbour_similarity(features: Tensor, dilation: int = 2, *, impl: str = 'auto') -> Tensor:
    """Cosine similarity of each pixel to the 3 x 3 neighbourhood around it, without the centre.

    Paper: FreqFusion (TPAMI 2024), local similarity of the offset generator.

    Convention:
        Channel order is row by row of the window: (-d,-d), (-d,0), (-d,d), (0,-d), (0,d), (d,-d), (d,0), (d,d).
        A neighbour outside the map counts as the zero vector, so its similarity is zero. So does a vector no longer
        than 1e-8, and it gets no gradient: that of `torch.nn.functional.cosine_similarity`, which clamps the norm
        there, is 1e8 times those of other pixels, and infinite in float16.

    Args:
        features: [N, C, H, W].
        dilation: distance d of the neighbours in pixels.
        impl: 'triton' is a kernel for NVIDIA GPUs, 'gathered' plain torch; both keep `features` alone for the backward
            pass. 'reference' is the definition. 'auto' picks 'triton' where it runs, else 'gathered'.

    Returns:
        [N, 8, H, W] in the dtype of `features`. Differentiable any number of times.

    Raises:
        ValueError: a map that is not 4-D, a dilation below one; an impl that is none, or cannot run here.
        TypeError: whole numbers.

    Example:
        >>> import torch
        >>> neighbour_similarity(torch.ones(1, 4, 5, 5))[0, :, 2, 2].tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if features.dim() != 4:
        raise ValueError(f'features must be [N, C, H, W], got shape {tuple(features.shape)}')
    if not features.is_floating_point():
        raise TypeError(f'features must be floating point, got {features.dtype}')
    if dilation < 1:
        raise ValueError(f'dilation must be at least 1, got {dilation}')
    return _neighbour_similarity(features, dilation, impl=impl)


def _fake(features: Tensor, dilation: int) -> Tensor:
    n, _, height, width = features.shape
    return empty_map(features, (n, 8, height, width))


_neighbour_similarity = Operator(
    'neighbour_similarity',
    'Tensor features, SymInt dilation',
    definition=reference.neighbour_similarity,
    fake=_fake,
    implementations={'triton': Kernels('similarity.triton_neighbour_similarity'), 'gathered': gathered},
    maps=1,
)
