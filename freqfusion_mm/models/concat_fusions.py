"""The levels of a pyramid, upsampled by fusions and concatenated.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction (TPAMI 2024), section on
    concatenating heads (SegNeXt, SegFormer).
Source: the insertion as read in Linwei-Chen/FreqFusion, SegNeXt head (no licence; written anew):
    deep to shallow, the concatenation of one step being the low-resolution input of the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers import build_fusion, interleave_concat, read_upsample_cfg


def build_concat_fusions(
    upsample_cfg: str | type | dict[str, Any], channels: Sequence[int], stagewise: bool = False, **offered
) -> nn.ModuleList:
    """The fusions that `concat_fuse` needs.

    Args:
        upsample_cfg: see `layers.read_upsample_cfg`.
        channels: of the levels, fine to coarse.
        stagewise: as for `concat_fuse`.
        offered: options of the head, see `layers.build_fusion`.

    Returns:
        Fusions from deep to shallow, one fewer than levels; `stagewise`, one for every finer level
        of every level, the deepest first.
    """
    fine, *rest = channels
    kind, _ = read_upsample_cfg(upsample_cfg)
    direct = getattr(kind, 'direct', False)
    if direct:
        pairs = [(coarse, fine) for coarse in reversed(rest)]
    elif stagewise:
        pairs = [(channels[i], channels[j]) for i in reversed(range(len(channels))) for j in reversed(range(i))]
    else:
        pairs = [(sum(channels[i + 1 :]), channels[i]) for i in reversed(range(len(rest)))]
    keep_hr = not (direct or stagewise)
    return nn.ModuleList(build_fusion(upsample_cfg, lr, hr, keep_hr=keep_hr, **offered) for lr, hr in pairs)


def concat_fuse(fusions: nn.ModuleList, levels: Sequence[Tensor], stagewise: bool = False) -> Tensor:
    """All levels at the finest one's size, concatenated fine to coarse.

    Convention:
        A direct fusion takes each level straight to the finest size. A x2 fusion goes from deep to shallow; what it
        returns for the finer level replaces that level; a fusion that resamples in groups gets the concatenation group
        by group, in as many of them as divide the finer level's channels.
        `stagewise`, every level is upsampled apart and climbs one level a x2 fusion, guided by the finer levels as they
        came: what a fusion returns for its guide is dropped.

    Args:
        fusions: from `build_concat_fusions`, with the same `stagewise`.
        levels: fine to coarse, each [B, C_i, H_i, W_i].
        stagewise: see above.

    Returns:
        [B, sum of C_i, H_0, W_0].
    """
    fine = levels[0]
    if fusions[0].direct:
        ups = [fusion(coarse, fine)[0] for fusion, coarse in zip(fusions, levels[:0:-1])]
        return torch.cat([fine, *reversed(ups)], dim=1)
    if stagewise:
        steps, ups = iter(fusions), []
        for i in reversed(range(1, len(levels))):
            feat = levels[i]
            for guide in reversed(levels[:i]):
                feat, _ = next(steps)(feat, guide)
            ups.append(feat)
        return torch.cat([fine, *reversed(ups)], dim=1)
    fused = levels[-1]
    for fusion, hr_feat in zip(fusions, levels[-2::-1]):
        lr_up, hr_feat = fusion(fused, hr_feat)
        fused = interleave_concat(hr_feat, lr_up, math.gcd(fusion.resample_groups, hr_feat.shape[1]))
    return fused
