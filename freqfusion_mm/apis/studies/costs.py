"""What a config's network costs: its parameters, and the multiply-adds of one image.

Convention:
    Multiply-adds are the products of convolutions, of matrices and of this package's operators, as torch's counter
    knows them: what most papers print as FLOPs. Norms, activations, resizing and what `ops.flops` leaves out count
    nothing, and nothing behind the network does (suppression, resizing of the logits, drawing of masks). A two-stage
    detector sees 1000 proposals and draws 100 masks, as mmdet's own counter has it.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import MethodType
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from torch import Tensor, nn

from ...ops.library import CAN_REGISTER
from ..config import load_config

#: Of a detector on whole images, where no size stands in the config's name: that of mmdet's counter.
DETECTION_SIZE = (800, 1280)
PROPOSALS = 1000


class Costs(NamedTuple):
    """Parameters, and multiply-adds at an image size (height, width)."""

    parameters: int
    multiply_adds: int
    size: tuple[int, int]


def input_size(cfg: Config) -> tuple[int, int]:
    """Height and width of the training crop; of a detector, those of its small square pictures or `DETECTION_SIZE`."""
    preprocessor = cfg.model.get('data_preprocessor') or {}
    if preprocessor.get('size'):
        return tuple(preprocessor['size'])
    for step in _steps(cfg.train_dataloader.dataset):
        side = step.get('crop_size', step.get('scale'))
        size = (side, side) if isinstance(side, int) else tuple(side or ())
        if size and step['type'] in ('RandomCrop', 'RandomResizedCrop'):
            return size
        if size and step['type'] == 'Resize' and size[0] == size[1]:
            return size
    return DETECTION_SIZE


def _steps(dataset: dict) -> list[dict]:
    while 'pipeline' not in dataset:
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    return dataset['pipeline']


def costs(config: Path, size: tuple[int, int] | None = None) -> Costs:
    """Builds the model of a config, without pretrained weights, and counts it.

    Args:
        config: its file.
        size: height and width of the image; `input_size` by default.

    Raises:
        RuntimeError: see `multiply_adds`.
    """
    cfg = load_config(config)
    size = size or input_size(cfg)
    model = built(cfg)
    return Costs(parameters(model), multiply_adds(model, (3, *size)), size)


def built(cfg: Config) -> nn.Module:
    """The model of a config, for inference, without pretrained weights."""
    import freqfusion_mm.registration  # noqa: F401  (the configs name our classes)

    DefaultScope._instance_dict.clear()  # a config before it may have left another
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    return MODELS.build(cfg.model).eval()


def parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """Of one image of this shape (channels, height, width); see the convention above.

    Raises:
        RuntimeError: torch is older than 2.4 and does not count the package's operators.
    """
    import freqfusion_mm.ops.flops  # noqa: F401  (tells torch's counter of our operators)

    if not CAN_REGISTER:
        raise RuntimeError(f'counting multiply-adds wants torch 2.4 or newer, got {torch.__version__}')
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    # shapes alone are computed, but for deformable attention, which reads the sizes of its levels from a tensor
    computed = any(type(module).__name__ == 'MultiScaleDeformableAttention' for module in model.modules())
    shapes = nullcontext() if computed else FakeTensorMode(allow_non_fake_inputs=True)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), shapes, _fixed_proposals(model), counter:
        _network(model, torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


def _network(model: nn.Module, image: Tensor) -> Any:
    """The network alone, with what it needs to know of an image."""
    size = tuple(image.shape[-2:])
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size, scale_factor=(1.0, 1.0))
    if hasattr(model, 'decode_head'):
        from mmseg.structures import SegDataSample

        head, feats = model.decode_head, model.extract_feat(image)
        masks = 'batch_data_samples' in inspect.signature(head.forward).parameters  # as mmdet's heads
        return head(feats, [SegDataSample(metainfo=meta)]) if masks else head(feats)
    if hasattr(model, 'roi_head'):
        from mmdet.structures import DetDataSample

        return model(image, [DetDataSample(metainfo=meta)])
    return model(image)


@contextmanager
def _fixed_proposals(model: nn.Module) -> Iterator[None]:
    """Proposals and their features have the shapes that they should, whatever an image would give."""
    if not hasattr(model, 'roi_head'):
        yield
        return
    from mmengine.structures import InstanceData

    def predict_by_feat(head: nn.Module, *outs: Any, **options: Any) -> list[InstanceData]:
        return [InstanceData(bboxes=torch.zeros(PROPOSALS, 4))]

    def forward(extractor: nn.Module, feats: tuple[Tensor, ...], rois: Tensor, scale: float | None = None) -> Tensor:
        return feats[0].new_zeros(len(rois), extractor.out_channels, *extractor.roi_layers[0].output_size)

    roi = model.roi_head
    extractors = [getattr(roi, f'{kind}_roi_extractor') for kind in ('bbox', 'mask') if getattr(roi, f'with_{kind}')]
    model.rpn_head.predict_by_feat = MethodType(predict_by_feat, model.rpn_head)
    for extractor in extractors:
        extractor.forward = MethodType(forward, extractor)
    try:
        yield
    finally:
        del model.rpn_head.predict_by_feat
        for extractor in extractors:
            extractor.__dict__.pop('forward', None)
