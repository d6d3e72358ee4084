"""One check, and one wording, for the pyramids that necks, pixel decoders and decode heads receive.

mmsegmentation checks them with bare asserts, or not at all until a convolution fails.
"""

from collections.abc import Iterable, Sequence

from torch import Tensor


def check_maps(
    owner: str,
    maps: Sequence[Tensor],
    in_channels: Sequence[int],
    levels: Iterable[int] | None = None,
) -> None:
    """Raise unless `maps` is one [B, in_channels[i], H, W] map per level, all of one batch.

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
        fits = len(shapes[i]) == 4 and shapes[i][1] == in_channels[i] and 0 not in shapes[i][2:]
        if not fits or shapes[i][0] != shapes[levels[0]][0]:
            raise ValueError(
                f'{owner}: map {i} must be [B, {in_channels[i]}, H, W] with H, W >= 1 and B as in '
                f'the other maps; got shapes {shapes}. Set in_channels to the channels of the maps '
                'that the backbone returns.'
            )


def check_selection(owner: str, maps: Sequence[Tensor] | Tensor, in_index: Sequence[int]) -> None:
    """Raise unless `maps` has every level that `in_index` selects.

    Raises:
        ValueError: one tensor, or too few maps.
    """
    wanted = max(index + 1 if index >= 0 else -index for index in in_index)
    if isinstance(maps, Tensor) or len(maps) < wanted:
        came = 'one tensor' if isinstance(maps, Tensor) else f'{len(maps)} maps'
        raise ValueError(
            f'{owner}: in_index={list(in_index)} wants at least {wanted} maps, got {came}; '
            'set in_index, or out_indices of the backbone'
        )


class CheckedLevels:
    """Mixin, to be named before the stock head: says what is wrong with the levels.

    Args:
        in_channels: channels of the selected levels, fine to coarse; two or more.
        in_index: their places in the backbone's (or neck's) output, one each.
        kwargs: the stock head's own keywords; it refuses the ones that it does not know.

    Raises:
        ValueError: levels that do not fit, at construction or when features arrive.
    """

    def __init__(self, *, in_channels: Sequence[int], in_index: Sequence[int], **kwargs) -> None:
        name = type(self).__name__
        for key, value in (('in_channels', in_channels), ('in_index', in_index)):
            if not isinstance(value, (list, tuple)) or len(value) < 2:
                raise ValueError(f'{name}: {key} wants a list with two or more levels, fine to coarse; got {value!r}')
        if len(in_channels) != len(in_index):
            raise ValueError(
                f'{name}: one entry of in_index for each of in_channels; got in_channels='
                f'{list(in_channels)} and in_index={list(in_index)}'
            )
        super().__init__(in_channels=in_channels, in_index=in_index, **kwargs)

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        name = type(self).__name__
        check_selection(name, inputs, self.in_index)
        levels = super()._transform_inputs(inputs)
        check_maps(name, levels, self.in_channels)
        return levels
