"""The feature levels of a decode head, checked once and in words.

mmsegmentation checks them with bare asserts, or not at all until a convolution fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from freqfusion_mm.models.check_maps import check_maps


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
        name, wanted = type(self).__name__, max(self.in_index) + 1
        if isinstance(inputs, Tensor) or len(inputs) < wanted:
            came = 'one tensor' if isinstance(inputs, Tensor) else f'{len(inputs)} maps'
            raise ValueError(
                f'{name}: in_index={list(self.in_index)} wants at least {wanted} maps, got {came}; '
                'set in_index, or out_indices of the backbone'
            )
        levels = super()._transform_inputs(inputs)
        check_maps(name, levels, self.in_channels)
        return levels
