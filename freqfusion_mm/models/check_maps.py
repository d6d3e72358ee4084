"""One check, and one wording, for the pyramids that necks and pixel decoders receive."""

from collections.abc import Iterable, Sequence

from torch import Tensor


def check_maps(
    owner: str,
    maps: Sequence[Tensor],
    in_channels: Sequence[int],
    levels: Iterable[int] | None = None,
) -> None:
    """Raise unless ``maps`` is one [B, in_channels[i], H, W] map per level, all of one batch.

    Args:
        owner: class that speaks, named in the message.
        maps: the pyramid.
        in_channels: channels of each map.
        levels: indices of the maps that are looked at; None: all.

    Raises:
        ValueError: number of maps, shape, channels or batch that do not fit.

    Example:
        >>> import torch
        >>> check_maps('FusionFPN', [torch.rand(1, 8, 4, 4)], [8])
        >>> check_maps('FusionFPN', [torch.rand(1, 8, 4, 4)], [16])
        Traceback (most recent call last):
        ...
        ValueError: FusionFPN: map 0 must be [B, 16, H, W] with H, W >= 1 and B as in the other \
maps; got shapes [(1, 8, 4, 4)]. Set in_channels to the channels of the maps that the backbone \
returns.
    """
    if isinstance(maps, Tensor) or len(maps) != len(in_channels):
        came = 'one tensor' if isinstance(maps, Tensor) else f'{len(maps)} maps'
        raise ValueError(
            f'{owner} wants {len(in_channels)} maps, one per entry of in_channels='
            f'{list(in_channels)}; got {came}. Set in_channels to the maps that the backbone '
            'returns (its out_indices).'
        )
    levels = list(range(len(maps)) if levels is None else levels)
    shapes = [tuple(m.shape) for m in maps]
    for i in levels:
        fits = len(shapes[i]) == 4 and shapes[i][1] == in_channels[i] and 0 not in shapes[i]
        if not fits or shapes[i][0] != shapes[levels[0]][0]:
            raise ValueError(
                f'{owner}: map {i} must be [B, {in_channels[i]}, H, W] with H, W >= 1 and B as in '
                f'the other maps; got shapes {shapes}. Set in_channels to the channels of the maps '
                'that the backbone returns.'
            )
