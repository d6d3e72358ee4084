"""Fine maps of any size as maps of a whole ratio, on which every window of a reassembly has as many fine pixels."""

import torch
from torch import Tensor

from ..grid import corner_and_phase, source_index


class FineAxes:
    """Places of the pixels of a fine map on two longer axes, `ceil(fine/coarse)` of them for every window.

    Args:
        coarse, fine: (h, w) and (H, W).
        corners: windows sit on the (h+1) x (w+1) corners around the coarse pixels (`grid.corner_and_phase`), not on
            the pixels (`grid.source_index`).
        device: of the maps.
    """

    def __init__(self, coarse: tuple[int, int], fine: tuple[int, int], corners: bool, device: torch.device) -> None:
        self.fine = tuple(fine)
        self.whole = tuple((small + corners) * -(-large // small) for small, large in zip(coarse, fine))
        self.sliced, self.indexed = [], []  # neighbours, which a view reaches without a copy; others
        for dim, small, large in zip((-2, -1), coarse, fine):
            first = (large // small + 1) // 2 if corners else 0  # half a window's pixels lie before the first corner
            if large % small:
                places = _places(small, large, corners, device)
                first = _start(places)
            if first is None:
                self.indexed.append((dim, places))
            else:
                self.sliced.append((dim, first))

    def gather(self, whole: Tensor) -> Tensor:
        """The fine map [..., H, W] out of one of the longer axes, or of still longer ones; a view where it can be."""
        for dim, first in self.sliced:
            whole = whole.narrow(dim, first, self.fine[dim])
        for dim, places in self.indexed:
            whole = whole.index_select(dim, places)
        return whole

    def scatter(self, fine: Tensor, whole: Tensor) -> Tensor:
        """Transpose of `gather`: writes a fine map to its places in `whole`, and returns that."""
        target = whole
        for dim, first in self.sliced:
            target = target.narrow(dim, first, self.fine[dim])
        if not self.indexed:
            target.copy_(fine)
        else:
            index = [slice(None), slice(None)]
            for dim, places in self.indexed:
                index[dim] = places[:, None] if len(self.indexed) == 2 and dim == -2 else places
            target[(..., *index)] = fine.to(whole.dtype)
        return whole


def _start(places: Tensor) -> int | None:
    """The first of places that are neighbours, as those of odd sizes are; None where not.

    To ask a GPU costs more than the copy.
    """
    if places.device.type != 'cpu':
        return None
    first, last = int(places[0]), int(places[-1])
    return first if last - first == len(places) - 1 else None


def _places(coarse: int, fine: int, corners: bool, device: torch.device) -> Tensor:
    """Place of each fine pixel on the longer axis."""
    window = torch.arange(coarse + corners, device=device)
    if corners:
        source, _ = corner_and_phase(coarse, fine, device)
        first = ((2 * window - 1) * fine + coarse - 1) // (2 * coarse)
    else:
        source = source_index(coarse, fine, device)
        first = (window * fine + coarse - 1) // coarse  # of a window's own fine pixels
    return source * -(-fine // coarse) + torch.arange(fine, device=device) - first[source]
