"""Intra-category consistency and similarity margin of every pixel of one feature map.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction (TPAMI 2024), figure 1: low consistency is
    inconsistency within a category, a margin below zero at a border is a displaced boundary.
"""

import torch
from torch import Tensor

from .feature_similarity import centre_cosines


def similarity_maps(feature: Tensor, label: Tensor, ignore_index: int = 255) -> tuple[Tensor, Tensor]:
    """IntraSim and SimMargin of `FeatureSimilarity`, pixel by pixel, to the centres of the whole image.

    Args:
        feature: [C, h, w].
        label: class numbers, int [H, W].
        ignore_index: label of the pixels that are no class.

    Returns:
        Cosine similarity to the centre of the pixel's own class, and that minus the mean similarity to the centres of
        the other classes in the image; both [H, W], nan at ignored pixels, the margin nan where there is one class.

    Raises:
        ValueError: no pixel has a class.
    """
    label = label.long()
    inside = label != ignore_index
    if not inside.any():
        raise ValueError(f'every pixel of the label is {ignore_index}, to be ignored: there is no class to measure')
    classes, cosines, _ = centre_cosines(feature, label, inside)  # [K], [K, H, W]
    own_index = torch.searchsorted(classes, label.clamp(classes[0], classes[-1])).clamp(max=len(classes) - 1)
    own = cosines.gather(0, own_index[None])[0]
    margin = own - (cosines.sum(0) - own) / (len(classes) - 1) if len(classes) > 1 else torch.full_like(own, torch.nan)
    return own.masked_fill(~inside, torch.nan), margin.masked_fill(~inside, torch.nan)
