"""Where a window of coarse pixels lies around a fine pixel, and which tap of it a coarse pixel is: device functions.

Two operators share this geometry. Local reassembly (`SMEAR=False`) has a window of `WINDOW = KERNEL` pixels around the
coarse pixel that the fine pixel lies in. Fine-neighbour attention (`SMEAR=True`) has `KERNEL` samples in bilinear
interpolation, which are `WINDOW = KERNEL + 1` pixels around a corner of the coarse grid; the weight of a sample is
split between the two pixels around it by the phase of the fine pixel. Along an axis the window is the positions
`window_start(Y) ... window_start(Y) + WINDOW - 1`, and those outside the map are read as the border rule says.
"""

import triton
import triton.language as tl


@triton.jit
def window_start(index, coarse, fine, WINDOW: tl.constexpr, SMEAR: tl.constexpr):
    """First position of the window of a fine pixel; grows with the index."""
    if SMEAR:
        place = ((2 * index + 1) * coarse + fine) // (2 * fine)
    else:
        place = index * coarse // fine
    return place - WINDOW // 2


@triton.jit
def first_reader(start, coarse, fine, WINDOW: tl.constexpr, SMEAR: tl.constexpr):
    """First fine pixel whose window starts at `start` or later; the size of the fine axis where none does."""
    place = start + WINDOW // 2
    if SMEAR:
        index = ((2 * place - 1) * fine + coarse - 1) // (2 * coarse)
    else:
        index = (place * fine + coarse - 1) // coarse
    return tl.minimum(tl.maximum(index, 0), fine)


@triton.jit
def phase(index, coarse, fine, SUM: tl.constexpr):
    """How far the fine pixel lies behind the pixel before its corner, 0 to 1; exact integers before the division."""
    place = (2 * index + 1) * coarse + fine
    return (place % (2 * fine)).to(SUM) / (2 * fine).to(SUM)


@triton.jit
def border(position, size, PADDING: tl.constexpr):
    """The pixel that is read for a position; any pixel where zeros are (mask those with `is_read`)."""
    if PADDING == 'reflect':
        period = tl.maximum(2 * size - 2, 1)
        position = tl.abs(position) % period
        position = tl.minimum(position, period - position)
    return tl.minimum(tl.maximum(position, 0), size - 1)


@triton.jit
def is_read(position, size, PADDING: tl.constexpr):
    """Whether a position is a pixel of the map or stands for one."""
    if PADDING == 'zeros':
        return (position >= 0) & (position < size)
    else:
        return position == position


@triton.jit
def images_before(first, images, WINDOW: tl.constexpr):
    """How many images before the map the pixels from `first` on may have within a window; none far from the border."""
    return tl.where(first <= WINDOW // 2, images, 0)


@triton.jit
def images_after(last, size, images, WINDOW: tl.constexpr):
    """How many images behind the map the pixels up to `last` may have within a window; none far from the border."""
    return tl.where(last >= size - 1 - WINDOW // 2, images, 0)


@triton.jit
def image(index, number, size, PADDING: tl.constexpr):
    """Inverse of `border`: the position of a pixel's image of this number (0: itself), and whether there is one.

    Reflected, the map repeats to both sides, every other time mirrored, and mirrors share their edge pixels.
    Repeated, or reflected where it is one pixel wide, only its edge pixels have images.
    """
    at_edge = (number == 0) | ((number < 0) & (index == 0)) | ((number > 0) & (index == size - 1))
    position = index + number
    if PADDING == 'reflect':
        odd = (number & 1) != 0
        mirrored = tl.where(odd, (number + 1) * (size - 1) - index, number * (size - 1) + index)
        position = tl.where(size > 1, mirrored, position)
        exists = tl.where(size > 1, (odd == 0) | ((index > 0) & (index < size - 1)), at_edge)
    else:
        exists = at_edge
    return position, exists


@triton.jit
def load_tap(masks, place, i, j, valid, stride_t, KERNEL: tl.constexpr, INDEX: tl.constexpr):
    """Tap (i, j) of the kernels at a place of the masks, or zero."""
    inside = valid & (i >= 0) & (i < KERNEL) & (j >= 0) & (j < KERNEL)
    return tl.load(masks + place + (i * KERNEL + j).to(INDEX) * stride_t, mask=inside, other=0.0)


@triton.jit
def window_weight(
    masks,
    place,
    i,
    j,
    valid,
    phase_y,
    phase_x,
    stride_t,
    KERNEL: tl.constexpr,
    SMEAR: tl.constexpr,
    INDEX: tl.constexpr,
):
    """Weight of pixel (i, j) of the window; zero outside it."""
    if SMEAR:
        upper = (1 - phase_x) * load_tap(masks, place, i, j, valid, stride_t, KERNEL, INDEX)
        upper += phase_x * load_tap(masks, place, i, j - 1, valid, stride_t, KERNEL, INDEX)
        lower = (1 - phase_x) * load_tap(masks, place, i - 1, j, valid, stride_t, KERNEL, INDEX)
        lower += phase_x * load_tap(masks, place, i - 1, j - 1, valid, stride_t, KERNEL, INDEX)
        return (1 - phase_y) * upper + phase_y * lower
    else:
        return load_tap(masks, place, i, j, valid, stride_t, KERNEL, INDEX)
