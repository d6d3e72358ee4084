"""Feature maps as colours: principal components fitted on all maps together, so that one colour means one thing."""

from collections.abc import Sequence

import numpy as np


class JointPCA:
    """The first three principal components of several maps, as red, green and blue.

    Convention:
        Maps come in groups, those of one model, which has a level and a strength of its own: the mean of a group is
        taken off its maps, and they are divided by the root mean square of what is left. The components are then of
        all groups together. Every map counts alike, whatever its size: a pixel of a map of N pixels has the weight
        1/N. A component has the sign that makes the largest entry of its axis positive. Colours are stretched between
        the 2nd and the 98th percentile of the component over all pixels; what is beyond is clipped. Maps of fewer than
        three channels leave the other colours grey, at one half.

    Args:
        groups: of maps [C, h, w], of one C and any sizes.

    Raises:
        ValueError: no map, or maps of several C.

    Example:
        >>> colours = JointPCA([[np.random.rand(8, 4, 5), np.random.rand(8, 2, 3)], [np.random.rand(8, 4, 5)]])
        >>> colours(np.random.rand(8, 6, 6), group=1).shape
        (6, 6, 3)
    """

    def __init__(self, groups: Sequence[Sequence[np.ndarray]]) -> None:
        channels = {len(each) for maps in groups for each in maps}
        if len(channels) != 1 or not all(groups):
            raise ValueError(
                f'groups of maps of one number of channels are wanted, got {list(map(len, groups))} maps of '
                f'{sorted(channels)} channels'
            )
        self.means, self.scales, centred = [], [], []
        for maps in groups:
            points = [each.reshape(len(each), -1).astype(np.float64) for each in maps]
            mean = np.mean([each.mean(axis=1) for each in points], axis=0)
            points = [each - mean[:, None] for each in points]
            scale = np.sqrt(np.mean([np.square(each).mean() for each in points])) or 1.0
            centred += [each / scale for each in points]
            self.means.append(mean)
            self.scales.append(scale)
        covariance = np.mean([each @ each.T / each.shape[1] for each in centred], axis=0)
        values, axes = np.linalg.eigh(covariance)
        axes = axes[:, ::-1][:, :3]
        self.axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
        self.explained = float(values[::-1][:3].sum() / values.sum()) if values.sum() > 0 else 1.0
        scores = np.concatenate([self.axes.T @ each for each in centred], axis=1)
        self.low, self.high = np.percentile(scores, [2, 98], axis=1)

    def __call__(self, features: np.ndarray, group: int = 0) -> np.ndarray:
        """[C, h, w], of one of the groups, to RGB bytes [h, w, 3]."""
        centred = (features.astype(np.float64) - self.means[group][:, None, None]) / self.scales[group]
        scores = np.tensordot(centred, self.axes, axes=(0, 0))
        width = np.where(self.high > self.low, self.high - self.low, 1)
        shades = np.clip((scores - self.low) / width, 0, 1)
        missing = 3 - shades.shape[-1]
        shades = np.concatenate([shades, np.full((*shades.shape[:2], missing), 0.5)], axis=-1)
        return np.rint(255 * shades).astype(np.uint8)
