"""Export to ONNX: any module for free sizes, a segmentor with a test's post-processing, a detector up to its maps."""

import contextlib
import copy
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import ReSFU
from .classes import last_head
from .exportable_detector import ExportableDetector
from .model import task_of
from .shared_files import rewritten

OPSETS = range(16, 21)  # grid_sample is an operator from 16 on; torch's older exporter knows no opset above 20
DYNAMO_OPSETS = range(18, 21)  # the newer one writes 18; below, it converts, which fails for some operators


def export(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    file: str | Path,
    opset: int = 17,
    dynamic: bool = True,
    input_names: Sequence[str] = ('input',),
    output_names: Sequence[str] = ('output',),
    dynamo: bool = False,
) -> None:
    """Export a module for other sizes than those of its example inputs.

    Convention:
        Batch, height and width of every input are free with `dynamic`. Three things keep the value that they have for
        the example: the number of steps of a layer with a ratio of its own (FreqFusion, CARAFE, ...), the dilation of
        a ReSFU with `scale_factor=None`, and whatever the model itself decides in Python.

    Args:
        model: maps tensors to a tensor or a tuple of them. It is exported as in evaluation, and stays as it was.
        inputs: example maps [N, C, H, W]. Odd sizes that differ from each other are best.
        file: what to write.
        opset: 16 to 20, with `dynamo` 18 to 20.
        dynamic: off, the sizes of the example are the only ones.
        input_names, output_names: in the file.
        dynamo: use torch's newer exporter, which reads a graph of `torch.export` instead of tracing. It needs
            `onnxscript`, and for one FreqFusion most of a minute instead of two seconds.

    Raises:
        ModuleNotFoundError: `onnx`, or with `dynamo` `onnxscript`, is not installed.
        ValueError: an opset out of range.
        torch.onnx.errors.OnnxExporterError: the exporter cannot write the module. What lay at `file` stays then.
    """
    missing = [name for name in ('onnx', *['onnxscript'] * dynamo) if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(f'to export, install {" and ".join(missing)}: pip install {" ".join(missing)}')
    opsets = DYNAMO_OPSETS if dynamo else OPSETS
    if opset not in opsets:
        raise ValueError(f'opset must be one of {opsets[0]} to {opsets[-1]}{" with dynamo" * dynamo}, got {opset}')
    model = copy.deepcopy(model).eval()
    fix_dilations(model, inputs)
    axes = {name: {0: 'n', 2: f'h_{name}', 3: f'w_{name}'} for name in input_names} if dynamic else {}
    if dynamo:
        options = dict(dynamo=True, dynamic_shapes=tuple(axes.values()) or None, external_data=False, verbose=False)
    else:
        options = dict(dynamic_axes=axes)
        if 'dynamo' in torch.onnx.export.__annotations__:
            options.update(dynamo=False)
    with symbolic_pooling(), warnings.catch_warnings(), rewritten(Path(file)) as draft:
        warnings.simplefilter('ignore')  # it says of every check of sizes that it is done once, and that it is old
        torch.onnx.export(
            model,
            inputs,
            str(draft),
            opset_version=opset,
            input_names=list(input_names),
            output_names=list(output_names),
            **options,
        )


def fix_dilations(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """ReSFU derives dilations of convolutions from the sizes; in ONNX they are constants."""

    def fix(layer: ReSFU, args: tuple) -> None:
        layer.scale_factor = layer.dilation(*(feat.shape[-2:] for feat in args))

    layers = [layer for layer in model.modules() if isinstance(layer, ReSFU)]
    hooks = [layer.register_forward_pre_hook(fix) for layer in layers]
    if layers:
        with torch.no_grad():
            model(*inputs)
    for hook in hooks:
        hook.remove()


@contextlib.contextmanager
def symbolic_pooling() -> Iterator[None]:
    """Lets adaptive average pooling be exported for any sizes: as two matrix products, averaging rows and columns."""

    def matrix(size: Tensor, out: Tensor | int, like: Tensor) -> Tensor:
        index = torch.arange(out, device=like.device)[:, None]
        first, last = index * size // out, ((index + 1) * size + out - 1) // out
        place = torch.arange(size, device=like.device)
        return ((place >= first) & (place < last)).to(like.dtype) / (last - first)

    def pool(x: Tensor, output_size) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return original(x, output_size)
        output_size = (output_size, output_size) if isinstance(output_size, int) else output_size
        rows, cols = (matrix(size, size if out is None else out, x) for size, out in zip(x.shape[-2:], output_size))
        return rows @ x @ cols.transpose(0, 1)

    original, F.adaptive_avg_pool2d = F.adaptive_avg_pool2d, pool
    try:
        yield
    finally:
        F.adaptive_avg_pool2d = original


class Exportable(nn.Module):
    """A segmentor or depth estimator of mmseg as a map from images to what a test makes of them.

    Convention:
        The image is as the network sees it, normalised and maybe padded; outputs have its size. A config that slides a
        window is exported as what it does in one window.

    Args:
        model: built; a cascade as well.
        labels: give class numbers [N, H, W] instead of logits [N, classes, H, W]: the greatest logit, or with one
            output whether its sigmoid passes the head's threshold.

    Raises:
        ValueError: a model of another kind; labels of a depth estimator.
    """

    def __init__(self, model: nn.Module, labels: bool = False) -> None:
        super().__init__()
        task = task_of(model)
        if task not in ('segmentation', 'depth'):
            raise ValueError(f'export is for semantic segmentation and depth, the model does {task}')
        if labels and task == 'depth':
            raise ValueError('a depth estimator has no class numbers to give: leave --labels out')
        self.model = model
        self.labels = labels
        self.output_names = ['labels' if labels else 'logits' if task == 'segmentation' else 'depth']

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[-2:]
        maps = self.model.encode_decode(image, [dict(img_shape=size, ori_shape=size)])
        if maps.shape[-2:] != size:
            maps = F.interpolate(maps, size, mode='bilinear', align_corners=self.model.align_corners)
        if not self.labels:
            return maps
        if maps.shape[1] == 1:
            return (maps[:, 0].sigmoid() > last_head(self.model).threshold).long()
        return maps.argmax(dim=1)


def exportable(model: nn.Module, labels: bool = False) -> 'Exportable | ExportableDetector':
    """A model of mmseg or mmdet as a map from images to tensors, with `output_names`.

    Raises:
        ValueError: a model of another kind; labels of one that has none.
    """
    if task_of(model) != 'detection':
        return Exportable(model, labels)
    if labels:
        raise ValueError('a detector has no class number of a pixel to give: leave --labels out')
    return ExportableDetector(model)


def slides(model: nn.Module) -> bool:
    """Whether a test of this model slides a window over the image."""
    return (getattr(model, 'test_cfg', None) or {}).get('mode', 'whole') != 'whole'
