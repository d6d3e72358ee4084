"""Local reassembly: every output pixel is a weighted sum of a k x k window of the (coarser) input.

Paper: CARAFE: Content-Aware ReAssembly of FEatures, ICCV 2019.
Source: the contract is that of `mmcv.ops.carafe` (mmcv 2.x, Apache-2.0), written anew. Ours runs on every device and
float dtype, accepts any pair of sizes, and can reflect or repeat the border instead of reading zeros.
"""

from torch import Tensor

from ..dispatch import Operator
from ..library import empty_map
from ..triton import Kernels
from . import exported, matmul, reference, shifted
from .border import PADDINGS


def carafe(
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    groups: int = 1,
    scale_factor: int | None = None,
    *,
    padding: str = 'zeros',
    impl: str = 'auto',
) -> Tensor:
    """Reassemble `features` with one k x k kernel per output pixel and channel group.

    Convention:
        `out[n,c,Y,X] = sum_ij masks[n, g*k*k + i*k + j, Y, X] * features[n, c, y + i - r, x + j - r]` with
        `r = (k-1)/2`, `g = c // (C / groups)`, `y = floor(Y*h/H)`, `x = floor(X*w/W)` (`Y // s` where the ratio s
        is whole). Neighbours outside the map count as zero (`padding='zeros'`, mmcv's CUDA kernel) or are mirrored
        without repeating the edge (`padding='reflect'`, FreqFusion's own fallback), over and over where the map is
        smaller than the window, or repeat the edge (`padding='replicate'`). The masks are used as they are: normalise
        them before. A feature that is not finite may spoil its neighbours' windows, too.

    Args:
        features: [N, C, h, w], any float dtype.
        masks: [N, groups * kernel_size**2, H, W], dtype and device of `features`.
        kernel_size: odd window width k.
        groups: channel groups that have a kernel of their own (mmcv: group_size); divides C.
        scale_factor: the ratio H/h = W/w, checked. None: the sizes alone decide, and need no whole ratio.
        padding: 'zeros', 'reflect' or 'replicate'.
        impl: 'triton' is a kernel for NVIDIA GPUs, 'matmul' multiplies tiles of windows with banded matrices, 'shifted'
            accumulates shifted views; all save nothing but the two inputs for the backward pass, and accumulate
            half-precision inputs in float32. 'reference' is the definition in plain differentiable indexing, for tests
            and higher derivatives. 'auto' picks 'triton' where it runs, else 'matmul' where output pixels share a
            window, and 'shifted' where the sizes are equal. ONNX gets banded matrices in plain torch, whatever is
            named.

    Returns:
        [N, C, H, W] in the dtype of `features`, channels last where they are. Differentiable twice in both arguments.

    Raises:
        TypeError: tensors of different or non-float dtypes.
        ValueError: shapes, kernel size, groups, padding or impl that do not fit; a named impl that cannot run here.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 8, 5, 7)
        >>> kernels = torch.rand(1, 25, 10, 14).softmax(dim=1)
        >>> carafe(x, kernels, kernel_size=5, groups=1, scale_factor=2).shape
        torch.Size([1, 8, 10, 14])
    """
    _check(features, masks, kernel_size, groups, scale_factor, padding)
    return _carafe(features, masks, kernel_size, groups, padding, impl=impl)


def preferred(coarse: Tensor, fine: Tensor) -> tuple[str, ...]:
    """The ways of this family in order of preference: do output pixels share windows?"""
    share = any(f > c for c, f in zip(coarse.shape[-2:], fine.shape[-2:]))
    return ('triton', 'matmul', 'shifted') if share else ('triton', 'shifted', 'matmul')


def _fake(features: Tensor, masks: Tensor, kernel_size: int, groups: int, padding: str) -> Tensor:
    return empty_map(features, (*features.shape[:2], *masks.shape[-2:]))


_carafe = Operator(
    'carafe',
    'Tensor features, Tensor masks, SymInt kernel_size, SymInt groups, str padding',
    definition=reference.carafe,
    fake=_fake,
    implementations={'triton': Kernels('reassembly.triton_reassembly'), 'matmul': matmul, 'shifted': shifted},
    prefer=lambda features, masks, *options: preferred(features, masks),
    exported=exported.carafe,
)


def _check(
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int | None,
    padding: str,
) -> None:
    if padding not in PADDINGS:
        raise ValueError(f'padding must be one of {PADDINGS}, got {padding!r}')
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f'kernel_size must be odd and positive (the window is centred), got {kernel_size}')
    for name, tensor in (('features', features), ('masks', masks)):
        if tensor.dim() != 4:
            raise ValueError(f'{name} must be 4-D [N, C, H, W], got shape {tuple(tensor.shape)}')
        if not tensor.is_floating_point():
            raise TypeError(f'{name} must be floating point, got {tensor.dtype}')
    if features.dtype != masks.dtype or features.device != masks.device:
        raise TypeError(
            f'features and masks must share dtype and device, got {features.dtype} on {features.device} '
            f'and {masks.dtype} on {masks.device}: convert the masks with `masks.to(features)`'
        )
    (n, c, h, w), (n_masks, c_masks, height, width) = features.shape, masks.shape
    if 0 in (c, h, w, height, width):
        raise ValueError(f'empty map: features {tuple(features.shape)}, masks {tuple(masks.shape)}')
    if n != n_masks:
        raise ValueError(f'features and masks must have one batch size, got {n} and {n_masks}')
    if groups < 1 or c % groups:
        raise ValueError(f'groups must divide the {c} feature channels, got {groups}')
    if c_masks != groups * kernel_size**2:
        raise ValueError(f'masks must have groups * kernel_size**2 = {groups * kernel_size**2} channels, got {c_masks}')
    if scale_factor is not None and (height, width) != (h * scale_factor, w * scale_factor):
        raise ValueError(
            f'masks must be {scale_factor} times the {h}x{w} features, i.e. {h * scale_factor}x'
            f'{w * scale_factor}, got {height}x{width}: give scale_factor=None for other ratios'
        )
