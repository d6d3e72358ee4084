"""How the kernels of `triton_neighbour_similarity` read pixels, and what they are tuned over."""

import triton
import triton.language as tl

CONFIGS = [triton.Config({}, num_warps=warps) for warps in (4, 2, 8)]
SIZES = ['channels', 'height', 'width', 'feature_n', 'feature_y']


@triton.jit
def length(norm):
    """Norms to divide by: infinite where a vector counts as zero (1e-8 in full precision, which a literal has not)."""
    return tl.where(norm > tl.full(norm.shape, 1e-8, norm.dtype), norm, float('inf'))


@triton.jit
def load(
    features,
    y,
    x,
    c,
    is_pixel,
    channels,
    height,
    width,
    stride_c,
    stride_y,
    stride_x,
    SUM: tl.constexpr,
    INDEX: tl.constexpr,
):
    """Values [channels, pixels] at some pixels; zeros outside the map."""
    inside = is_pixel & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    place = y.to(INDEX) * stride_y + x.to(INDEX) * stride_x
    return tl.load(
        features + c.to(INDEX)[:, None] * stride_c + place[None, :],
        mask=inside[None, :] & (c < channels)[:, None],
        other=0.0,
    ).to(SUM)
