"""What is to be seen of the fusions of a model at one image: maps, inner quantities, numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...layers import Inside, SubBands
from .feature_similarity import FeatureSimilarity
from .fusion_calls import FusionCall
from .gridding import Measured
from .inside_numbers import entropy, numbers
from .kernel_spectra import Spectrum, bandwidth, high_frequency_share, spectrum
from .similarity_maps import similarity_maps

#: Side of the square around a pixel of a border, of the measures at boundaries.
BAND = 5


@dataclass
class FusionView:
    """One fusion at one image. Maps are arrays [C, h, w] or [h, w].

    Attributes:
        name, method: of the layer in the model; its class.
        before, after: the coarse map, and upsampled.
        fine_before, fine_after: the fine map; None where there is none, or where it passed unchanged.
        inside: what the layer decided; None where nothing.
        numbers: see `inside_numbers.numbers`; and `high_frequency`, `high_frequency_bilinear`, the share of the
            upsampled map's power at frequencies that a map of half its size cannot hold, and that of the coarse map
            resized bilinearly.
        consistency, margin: see `similarity_maps`; None without a label.
        similarity: measures of `FeatureSimilarity` by region; empty without a label.
    """

    name: str
    method: str
    before: np.ndarray
    after: np.ndarray
    fine_before: np.ndarray | None
    fine_after: np.ndarray | None
    inside: Inside | None
    numbers: dict[str, float]
    consistency: np.ndarray | None = None
    margin: np.ndarray | None = None
    similarity: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def change(self) -> np.ndarray:
        """Where the upsampled map differs from the bilinear resizing of the coarse one: the root mean square over the
        channels, [H, W].
        """
        return rms_difference(self.after, bilinear(self.before, self.after.shape[-2:]))

    @property
    def fine_change(self) -> np.ndarray | None:
        """What was done to the fine map: the root mean square of the difference over the channels, [H, W]."""
        return None if self.fine_after is None else rms_difference(self.fine_after, self.fine_before)

    def kernels(self, which: str = 'kernels') -> np.ndarray | None:
        """`kernels` or `highpass` of the inside, as [H, W, G, k, k]."""
        found = None if self.inside is None else getattr(self.inside, which)
        return None if found is None else found[0].permute(3, 4, 0, 1, 2).cpu().double().numpy()

    def spectrum(self, which: str = 'kernels') -> Spectrum | None:
        """Of all pixels' `kernels` or `highpass`."""
        found = self.kernels(which)
        return None if found is None else spectrum(found.reshape(-1, *found.shape[-2:]))

    def bandwidth(self) -> np.ndarray | None:
        """Of the kernels, mean over the groups, [H, W], in cycles a coarse pixel."""
        found = self.kernels()
        return None if found is None else bandwidth(found).mean(axis=-1)

    def entropy(self) -> np.ndarray | None:
        """Of the kernels, mean over the groups, [H, W], as a share of the most."""
        if self.inside is None or self.inside.kernels is None:
            return None
        return entropy(self.inside.kernels)[0].mean(0).cpu().numpy()

    def offsets(self) -> np.ndarray | None:
        """In coarse pixels, [H, W, G, 2], x before y."""
        if self.inside is None or self.inside.offsets is None:
            return None
        return self.inside.offsets[0].permute(2, 3, 1, 0).cpu().numpy()


@dataclass
class ModelView:
    """One model at one image.

    Attributes:
        title, config, checkpoint, task, parameters: of the model.
        picture: what the network was given, RGB bytes [H, W, 3].
        filled: how much of it is the image, from its upper left corner: shares of the height and of the width; the
            rest is padding.
        fusions: by name, in the order in which they ran.
        bands: sub-bands of the poolings by lifting, by name.
        gridding: see `measure_with_and_without`; empty without ESP or EESP blocks.
        prediction: over the image, RGB bytes.
        errors: where the prediction is wrong, RGB bytes; None without a label.
        trimap: mIoU in percent by the width of the band around borders; empty without a label.
    """

    title: str
    config: str
    checkpoint: str
    task: str
    parameters: int
    picture: np.ndarray
    filled: tuple[float, float]
    fusions: dict[str, FusionView]
    bands: dict[str, SubBands]
    gridding: Measured
    prediction: np.ndarray
    errors: np.ndarray | None = None
    trimap: dict[int, float] = field(default_factory=dict)

    def without_padding(self, feat: np.ndarray) -> np.ndarray:
        """The part of a map [..., h, w] over the whole picture that the image fills, its borders rounded up."""
        height, width = (math.ceil(size * share) for size, share in zip(feat.shape[-2:], self.filled))
        return feat[..., :height, :width]


def view_fusion(
    call: FusionCall, label: Tensor | None = None, num_classes: int = 0, ignore_index: int = 255
) -> FusionView:
    """What is to be seen of one call.

    Args:
        call: of `recorded_fusions`.
        label: class numbers [H, W] over all that the map spans; None: no similarity is measured.
        num_classes, ignore_index: of the label.
    """
    inside = call.inside()
    fine = call.hr_feat
    if fine is not None and call.hr_out is None and not fine.any():
        fine = None  # which stood for a size alone
    maps = [None if feat is None else feat[0].cpu().numpy() for feat in (call.lr_feat, call.lr_up, fine)]
    before, after, fine_before = maps
    found = {} if inside is None else numbers(inside)
    found['high_frequency'] = high_frequency_share(after)
    found['high_frequency_bilinear'] = high_frequency_share(bilinear(before, after.shape[-2:]))
    fine_after = None if call.hr_out is None else call.hr_out[0].cpu().numpy()
    view = FusionView(call.name, call.method, before, after, fine_before, fine_after, inside, found)
    if label is not None:
        feature = call.lr_up[0].cpu()
        consistency, margin = similarity_maps(feature, label, ignore_index)
        view.consistency, view.margin = consistency.numpy(), margin.numpy()
        for region, edge_k in (('whole image', 0), (f'boundary band ({BAND})', BAND)):
            measure = FeatureSimilarity(num_classes, edge_k=edge_k, ignore_index=ignore_index)
            measure.update(feature, label)
            view.similarity[region] = measure.compute()
    return view


def band_energies(bands: SubBands) -> dict[str, float]:
    """Share of each sub-band in the power of all four, the mean of each channel of LL apart."""
    ll = bands.ll - bands.ll.mean(dim=(-2, -1), keepdim=True)
    powers = {name: float(band.square().sum()) for name, band in zip(('LL', 'LH', 'HL', 'HH'), (ll, *bands[1:4]))}
    total = sum(powers.values()) or 1.0
    return {name: power / total for name, power in powers.items()}


def bilinear(feat: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """[C, h, w] to [C, *size], `align_corners=False`."""
    return F.interpolate(torch.from_numpy(feat)[None], tuple(size), mode='bilinear', align_corners=False)[0].numpy()


def rms_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root mean square over the channels of the difference of two maps [C, H, W]."""
    return np.sqrt(np.square(first - second).mean(axis=0))
