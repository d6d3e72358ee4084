"""A detector as a network of maps, which an exporter can follow: all of it before boxes are decoded and suppressed."""

import torch
from torch import Tensor, nn

from .channels import input_channels
from .model import task_of


class ExportableDetector(nn.Module):
    """A detector of mmdet as a map from images to what its post-processing reads.

    Convention:
        The image is as the network sees it, normalised and padded to a multiple of its largest stride. One stage
        (RetinaNet, YOLOX, ...): the maps of the head, kind by kind, each from the finest level to the coarsest, in the
        order of its `predict_by_feat`; a kind of one map for all levels (RTMDet-Ins) is level 0. Two stages (Faster
        R-CNN): those of the region proposals, then the levels of the neck that the second stage pools from.

    Args:
        model: built.

    Attributes:
        output_names: of the outputs: 'maps<kind>_<level>', and 'neck_<level>'.

    Raises:
        ValueError: no detector of mmdet, one without such maps (DETR and its like), or one with a head beside them that
            would be left out: for panoptic segmentation, or the masks of one stage (YOLACT, CondInst).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if task_of(model) != 'detection':
            raise ValueError(f'a detector is wanted, the model does {task_of(model)}')
        for head in ('semantic_head', 'mask_head'):
            if getattr(model, head, None) is not None:
                raise ValueError(
                    f'export is for semantic segmentation, depth and detectors; {type(model).__name__} has a {head}, '
                    'which would be left out'
                )
        self.model = model
        self.two_stages = hasattr(model, 'rpn_head')
        head = getattr(model, 'rpn_head' if self.two_stages else 'bbox_head', None)
        if not hasattr(head, 'predict_by_feat') or hasattr(model, 'encoder'):
            raise ValueError(
                f'{type(model).__name__} has no maps from which boxes are decoded: one stage with a dense head, or a '
                'region proposal network, can be exported'
            )
        self.head = head
        with torch.no_grad():
            was, size = model.training, 2 * 128
            image = torch.zeros(1, input_channels(model), size, size, device=next(model.parameters()).device)
            _, names = self.eval()._named(image)
            self.train(was)
        self.output_names = names

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self._named(image)[0]

    def _named(self, image: Tensor) -> tuple[tuple[Tensor, ...], list[str]]:
        feats = self.model.extract_feat(image)
        named = {
            f'maps{kind}_{level}': each
            for kind, levels in enumerate(self.head(feats))
            for level, each in enumerate([levels] if isinstance(levels, Tensor) else levels)
            if each is not None
        }
        if self.two_stages:
            named.update({f'neck_{level}': feat for level, feat in enumerate(feats)})
        return tuple(named.values()), list(named)
