"""How well the features of a class keep together, and apart from those of other classes: IntraSim and its relatives.

Paper: Frequency-aware Feature Fusion for Dense Image Prediction (TPAMI 2024), Table I (quantitative feature analysis):
    intra-category inconsistency is read from a low IntraSim, boundary displacement from a low one at boundaries.
Source: the definitions as restated in notes on the paper; its preprocessing and its boundary band as read in the
    authors' feature similarity script (Linwei-Chen/FreqFusion, feat_tool; no licence, written anew). Where ours differs
    is said at each point. The script's InterSim is not the paper's, and which of the two, which layer and which
    of the two accuracies fill Table I is not known: compare models with one another, not with its numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

INTER = ('mean', 'nearest', 'centers')
#: Values of the resized feature map that are held at once; more channels than that are taken one part after another.
VALUES_AT_ONCE = 2**25


def boundary_band(label: Tensor, edge_k: int = 5, ignore_index: int = 255) -> Tensor:
    """The pixels near a boundary between two classes.

    Convention:
        An edge pixel has another class above, below, left or right of it. The band are the pixels within the
        `edge_k x edge_k` square around an edge pixel, less those within such a square around an ignored pixel. The
        authors take a non-zero Laplacian of the class numbers for an edge, which misses a pixel whose neighbours cancel
        (0 and 2 beside a 1) and sees edges towards ignored pixels too.

    Args:
        label: class numbers, int [H, W].
        edge_k: side of the square in pixels, odd.
        ignore_index: label of the pixels that are no class.

    Returns:
        Bool [H, W].

    Raises:
        ValueError: `edge_k` is even or not positive.

    Example:
        >>> boundary_band(torch.tensor([[0, 0, 0, 1, 1, 1, 1]]), edge_k=3).int()
        tensor([[0, 1, 1, 1, 1, 0, 0]], dtype=torch.int32)
    """
    if edge_k < 1 or edge_k % 2 == 0:
        raise ValueError(f'edge_k must be odd and positive, the side of a square around a pixel, got {edge_k}')
    valid = label != ignore_index
    edge = torch.zeros_like(valid)
    for dim in (0, 1):
        length = label.shape[dim] - 1
        before, after = label.narrow(dim, 0, length), label.narrow(dim, 1, length)
        change = (before != after) & valid.narrow(dim, 0, length) & valid.narrow(dim, 1, length)
        edge.narrow(dim, 0, length).logical_or_(change)
        edge.narrow(dim, 1, length).logical_or_(change)
    return _dilate(edge, edge_k) & ~_dilate(~valid, edge_k)


def centre_cosines(
    feature: Tensor, label: Tensor, inside: Tensor, interpolation: str = 'bilinear'
) -> tuple[Tensor, Tensor, Tensor]:
    """Cosine similarity between every pixel's feature vector and the centre of every class of one image.

    Convention:
        The feature map is resized to the label's size (bilinear: align_corners=False). A class's centre is the mean of
        the feature vectors, as they are, of its pixels in `inside`. A zero vector has similarity 0 to all.

    Args:
        feature: [C, h, w], any size and scale; float16 and bfloat16 are computed in float32.
        label: class numbers, int [H, W].
        inside: the pixels that make the centres, bool [H, W].
        interpolation: 'bilinear' or 'nearest'.

    Returns:
        The K classes that have a centre, ascending [K]; cosines of the pixels [K, H, W]; those between centres [K, K].
    """
    classes, counts = label[inside].unique(return_counts=True)
    membership = (label.flatten()[:, None] == classes) & inside.flatten()[:, None]  # [H*W, K]
    feature = feature if feature.dtype == torch.float64 else feature.float()
    exponent = torch.frexp(feature.abs().amax())[1].clamp(-126, 126)
    feature = torch.ldexp(feature, -exponent)  # exactly, so that squares of any scale fit
    membership = membership.to(feature.dtype) / counts
    dots = feature.new_zeros(len(classes), label.numel())
    squares = feature.new_zeros(label.numel())
    gram = feature.new_zeros(len(classes), len(classes))
    for part in feature.split(max(1, VALUES_AT_ONCE // label.numel())):
        if part.shape[-2:] != label.shape:
            align_corners = False if interpolation == 'bilinear' else None
            part = F.interpolate(part[None], label.shape, mode=interpolation, align_corners=align_corners)[0]
        pixels = part.flatten(1)  # [c, H*W]
        centres = pixels @ membership  # [c, K]
        dots.addmm_(centres.T, pixels)
        squares += pixels.square().sum(0)
        gram += centres.T @ centres
    lengths = gram.diagonal().sqrt()
    smallest = torch.finfo(feature.dtype).tiny
    cosines = dots / (lengths[:, None] * squares.sqrt()).clamp_min(smallest)
    return classes, cosines.view(-1, *label.shape), gram / torch.outer(lengths, lengths).clamp_min(smallest)


class FeatureSimilarity:
    """IntraSim, InterSim, SimMargin and SimAcc of one feature map, over a set of images.

    Convention:
        Class centres are those of each image. `edge_k=0`: all pixels that are not ignored make the centres, and all
        are measured. `edge_k>0`: those in the :func:`boundary_band` are measured, and the others that are not ignored
        make the centres; a measured pixel whose class has no centre then is left out. Per measured pixel:

        - IntraSim: cosine similarity to the centre of its own class;
        - InterSim: to the centres of the other classes in the image, their mean (`inter='mean'`), or the greatest
          (`inter='nearest'`). The paper's words allow both; its boundary row, a margin of 0.202 where 37 % of the
          pixels are wrong, suggests the mean;
        - SimMargin: IntraSim minus InterSim;
        - SimAcc: whether no other class's centre is more similar than its own.

        An image of one class counts for IntraSim alone. Pixels are pooled over the images by class; a value is
        the mean of a class's pixels, then the plain mean over the classes that occurred. SimAcc is the share of all
        pixels, mSimAcc the mean of the classes' shares: the authors' script prints both.

        `inter='centers'` is the authors' script: InterSim is the cosine between the centres of every two classes of an
        image, booked under the lower class number, and SimMargin the difference of the two averages. (The script
        leaves out classes seen in one image only, and counts images of one class as right; this does not.)

    Args:
        num_classes: number of classes.
        edge_k: 0 for the whole image, or the odd side of the boundary band's square (the authors' default is 5).
        inter: 'mean', 'nearest' or 'centers'.
        interpolation: of the features to the label's size, 'bilinear' or 'nearest'.
        ignore_index: label of the pixels that are no class.

    Raises:
        ValueError: an option, a shape or a label that is not as said.

    Example:
        >>> similarity = FeatureSimilarity(num_classes=2)
        >>> similarity.update(torch.tensor([[[1., 1., 0., 0.]], [[0., 0., 2., 3.]]]), torch.tensor([[0, 0, 1, 1]]))
        >>> similarity.compute()
        {'IntraSim': 1.0, 'InterSim': 0.0, 'SimMargin': 1.0, 'SimAcc': 1.0, 'mSimAcc': 1.0, 'pixels': 4}
    """

    def __init__(
        self,
        num_classes: int,
        *,
        edge_k: int = 0,
        inter: str = 'mean',
        interpolation: str = 'bilinear',
        ignore_index: int = 255,
    ) -> None:
        if inter not in INTER:
            raise ValueError(f'inter must be one of {", ".join(INTER)}, got {inter!r}')
        if interpolation not in ('bilinear', 'nearest'):
            raise ValueError(f'interpolation must be bilinear or nearest, got {interpolation!r}')
        if edge_k < 0 or edge_k and edge_k % 2 == 0:
            raise ValueError(f'edge_k must be 0 (the whole image) or odd and positive, got {edge_k}')
        self.num_classes = num_classes
        self.edge_k = edge_k
        self.inter = inter
        self.interpolation = interpolation
        self.ignore_index = ignore_index
        names = ('pixels', 'intra', 'compared', 'right', 'margin', 'booked', 'inter')
        self._totals = {name: torch.zeros(num_classes, dtype=torch.float64) for name in names}

    @torch.no_grad()
    def update(self, feature: Tensor, label: Tensor) -> None:
        """Adds an image: feature [C, h, w], label [H, W] of class numbers, on one device."""
        self._check(feature, label)
        label = label.long()
        measured = inside = label != self.ignore_index
        if self.edge_k:
            measured = boundary_band(label, self.edge_k, self.ignore_index)
            inside = inside & ~measured
        if not inside.any():
            return
        measured = measured & torch.isin(label, label[inside])  # whose class has a centre
        classes, cosines, between = centre_cosines(feature, label, inside, self.interpolation)
        label, cosines = label[measured], cosines[:, measured]  # [n], [K, n]
        own_index = torch.searchsorted(classes, label)[None]
        own = cosines.gather(0, own_index)[0]
        self._add('pixels', label, torch.ones_like(own))
        self._add('intra', label, own)
        if len(classes) < 2:
            return
        self._add('compared', label, torch.ones_like(own))
        nearest = cosines.scatter(0, own_index, -torch.inf).amax(0)
        self._add('right', label, own >= nearest)
        if self.inter == 'centers':
            lower, upper = torch.triu_indices(len(classes), len(classes), 1, device=label.device)
            self._add('booked', classes[lower], torch.ones_like(lower))
            self._add('inter', classes[lower], between[lower, upper])
            return
        other = nearest if self.inter == 'nearest' else (cosines.sum(0) - own) / (len(classes) - 1)
        self._add('booked', label, torch.ones_like(own))
        self._add('inter', label, other)
        self._add('margin', label, own - other)

    def per_class(self) -> dict[str, Tensor]:
        """Metric -> value of each class [num_classes], nan where there was nothing to measure; and 'pixels'."""
        totals = self._totals
        values = {'IntraSim': totals['intra'] / totals['pixels'], 'InterSim': totals['inter'] / totals['booked']}
        values['SimMargin'] = (
            values['IntraSim'] - values['InterSim']
            if self.inter == 'centers'
            else totals['margin'] / totals['compared']
        )
        return {**values, 'SimAcc': totals['right'] / totals['compared'], 'pixels': totals['pixels']}

    def compute(self) -> dict[str, float]:
        """IntraSim, InterSim, SimMargin, SimAcc, mSimAcc (nan where nothing was measured), and the number of pixels."""
        values, totals = self.per_class(), self._totals
        counts = dict(IntraSim='pixels', InterSim='booked', SimMargin='compared', SimAcc='compared')
        # By the counts, not by nanmean: a feature that is not a number must show.
        mean = {name: values[name][totals[count] > 0].mean().item() for name, count in counts.items()}
        if self.inter == 'centers':
            mean['SimMargin'] = mean['IntraSim'] - mean['InterSim']
        pooled = (totals['right'].sum() / totals['compared'].sum()).item()
        return {**mean, 'SimAcc': pooled, 'mSimAcc': mean['SimAcc'], 'pixels': int(totals['pixels'].sum())}

    def _add(self, name: str, label: Tensor, values: Tensor) -> None:
        self._totals[name] += torch.bincount(label, values.double(), self.num_classes).cpu()

    def _check(self, feature: Tensor, label: Tensor) -> None:
        if feature.ndim != 3 or label.ndim != 2 or not feature.is_floating_point():
            raise ValueError(
                'one image at a time: wanted float features [C, h, w] and labels [H, W], got '
                f'{feature.dtype} {list(feature.shape)} and {list(label.shape)}'
            )
        if label.dtype == torch.bool or label.is_floating_point() or label.dtype == torch.int8:
            raise ValueError(f'labels must be class numbers (torch.int64 or torch.uint8), got {label.dtype}')
        found = label[label != self.ignore_index]
        if found.numel() and not 0 <= found.min() <= found.max() < self.num_classes:
            raise ValueError(
                f'labels must be 0 to {self.num_classes - 1}, or {self.ignore_index} to be ignored, got '
                f'{found.min()} to {found.max()}; check num_classes and ignore_index'
            )


def _dilate(mask: Tensor, side: int) -> Tensor:
    return F.max_pool2d(mask[None].float(), side, stride=1, padding=side // 2)[0] > 0
