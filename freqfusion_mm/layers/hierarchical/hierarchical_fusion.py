"""Hierarchical feature fusion (HFF): a running sum over the outputs of convolutions of growing dilation.

Paper: ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation, ECCV 2018, arXiv 1803.06815.
Source: sacmehta/ESPNet (afe71c3, MIT), written anew. Ours is a function of its own, and the chain can be chosen.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: chain -> index of the branch that opens it.
CHAINS = {'all': 0, 'dilated': 1, 'none': None}


def check_chain(chain: str) -> None:
    """Raise a ValueError unless `chain` is one of `CHAINS`."""
    if chain not in CHAINS:
        raise ValueError(f"chain must be one of {tuple(CHAINS)} ('none' is plain concatenation), got {chain!r}")


def hierarchical_fusion(branches: Sequence[Tensor], chain: str = 'all') -> list[Tensor]:
    """Add every branch to the sum of those before it, so that a sparse kernel's holes are filled by the denser ones.

    Convention:
        `fused[i] = fused[i - 1] + branches[i]` along the chain; a branch outside it passes unchanged.

    Args:
        branches: maps of one size, densest kernel first. Those in the chain have equal channels.
        chain: 'all': from the first branch on, as in EESP's code and in ESP's figure. 'dilated': the first branch
            (dilation 1) stays alone, as in ESP's code and in all of its released weights. 'none': nothing is added.

    Returns:
        As many maps as `branches`.

    Raises:
        ValueError: an unknown chain, or chained branches of different shapes.

    Example:
        >>> ones = [torch.ones(1, 1, 1, 1)] * 4
        >>> [int(fused) for fused in hierarchical_fusion(ones, 'all')]
        [1, 2, 3, 4]
        >>> [int(fused) for fused in hierarchical_fusion(ones, 'dilated')]
        [1, 1, 2, 3]
    """
    check_chain(chain)
    start = CHAINS[chain]
    if start is None:
        return list(branches)
    chained = branches[start:]
    if any(branch.shape != chained[0].shape for branch in chained):
        shapes = sorted({tuple(branch.shape) for branch in chained})
        raise ValueError(f'branches in the chain {chain!r} are added and need one shape, got {shapes}')
    fused = list(branches)
    for i in range(start + 1, len(fused)):
        fused[i] = fused[i - 1] + fused[i]
    return fused


class HierarchicalFusion(nn.Module):
    """`hierarchical_fusion`, then concatenation along the channels.

    Args:
        chain: see `hierarchical_fusion`.

    Example:
        >>> HierarchicalFusion('all')([torch.ones(1, 2, 3, 3)] * 4).shape
        torch.Size([1, 8, 3, 3])
    """

    def __init__(self, chain: str = 'all') -> None:
        super().__init__()
        check_chain(chain)
        self.chain = chain

    def forward(self, branches: Sequence[Tensor]) -> Tensor:
        return torch.cat(hierarchical_fusion(branches, self.chain), dim=1)

    def extra_repr(self) -> str:
        return f'chain={self.chain!r}'
