"""Records the small goldens of this folder anew, which needs ../shared beside the project: python tests/data/record.py

Each case of the authors' code in ../shared/golden is first run by the project's own code, which has to give the
authors' outputs and gradients to 1e-9. Then the project's own code runs the same options at small widths and sizes,
with weights and inputs drawn here, under the authors' names.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / 'shared'
sys.path[:0] = [str(ROOT), str(ROOT / 'tests'), str(ROOT / 'tests/models/backbones')]

from goldens import draw_weights, save_golden  # noqa: E402
from test_espnet_reference import RELEASED  # noqa: E402

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint  # noqa: E402
from freqfusion_mm.apis.reference_checkpoint import with_our_paths  # noqa: E402
from freqfusion_mm.layers import FADE, SAPA, DySample, FreqFusion, ReSFU, SAPADeform  # noqa: E402
from freqfusion_mm.models.necks import FusionFPN  # noqa: E402
from freqfusion_mm.ops import fns_attention  # noqa: E402
from freqfusion_mm.ops.reassembly import carafe  # noqa: E402


class Method(NamedTuple):
    """How a method is built and run, and how its cases become small.

    Attributes:
        build: case -> layer; None for a function without weights.
        run: (layer, inputs, kwargs) -> outputs, in the order of the authors'.
        narrow: kwargs that replace those of a case; our own names are taken beside the authors'.
        channels: of the inputs, where they are not those of the case.
        coarse: size of the coarsest input; the others keep their ratios to it.
    """

    build: Callable[[dict], nn.Module] | None
    run: Callable[[nn.Module | None, dict[str, Tensor], dict], list[Tensor]]
    narrow: dict
    channels: dict[str, int]
    coarse: tuple[int, int] = (3, 4)


def fused(fusion, inputs, kwargs):
    lr_up, hr_feat, kernels = fusion.fuse_step(**inputs)
    return [kernels, hr_feat, lr_up]


METHODS = {
    'carafe': Method(
        None,
        lambda _, x, kwargs: [carafe(x['x'], x['mask'], kwargs['kernel_size'], kwargs['group'], kwargs['up'])],
        narrow={},
        channels={},
        coarse=(2, 3),
    ),
    'fns_attn': Method(
        None,
        lambda _, x, kwargs: [fns_attention(x['attn'], x['value'], kwargs['kernel_size'])],
        narrow={},
        channels={'value': 2},
        coarse=(2, 3),
    ),
    'freqfusion': Method(
        lambda case: FreqFusion.from_reference(padding=case['padding'], **case['kwargs']),
        fused,
        narrow=dict(hr_channels=2, lr_channels=4, compressed_channels=8),
        channels=dict(hr_feat=2, lr_feat=4),
    ),
    'resfu': Method(
        lambda case: ReSFU.from_reference(**case['kwargs']),
        lambda layer, x, _: [layer(x['x'], x['y'])],
        narrow=dict(dim_y=8, dim_x=8, embedding_dim=8, mid_channels=8, gn_dim=4),
        channels=dict(y=8, x=8),
        coarse=(2, 3),
    ),
    'dysample': Method(
        lambda case: DySample.from_reference(**case['kwargs']),
        lambda layer, x, _: [layer(x['x'])],
        narrow=dict(in_channels=8),
        channels=dict(x=8),
    ),
    'fade': Method(
        lambda case: FADE.from_reference(**case['kwargs'], lite=case['variant'] == 'lite'),
        lambda layer, x, _: [layer(x['de'], x['en'])],
        narrow=dict(in_channels_en=4, compressed_channels=8),
        channels=dict(en=4, de=4),
    ),
    'sapa': Method(
        lambda case: SAPA.from_reference(**case['kwargs']),
        lambda layer, x, _: [layer(x['x'], x['y'])],
        narrow=dict(dim_y=4, dim_x=6, embedding_dim=8),
        channels=dict(y=4, x=6),
    ),
    'sapa_deform': Method(
        lambda case: SAPADeform.from_reference(**case['kwargs']),
        lambda layer, x, _: [layer(x['x'], x['y'])],
        narrow=dict(dim_y=6, dim_x=4, groups=2, num_point=3, embedding_dim=4),
        channels=dict(y=6, x=4),
        coarse=(2, 3),
    ),
    'freqfusion_carafe_fpn': Method(
        lambda case: FusionFPN.from_reference(**case['kwargs']),
        lambda neck, x, _: neck(list(x.values())),
        narrow=dict(in_channels=[2, 3, 4, 5], out_channels=8),
        channels=dict(c0=2, c1=3, c2=4, c3=5),
        coarse=(2, 4),  # even: the neck adds a level of half the size
    ),
}


def authors_keys(module: nn.Module, state_dict: dict[str, Tensor], rename: Callable = dict) -> dict[str, str]:
    """Name of each stored tensor of `module` -> the authors' key for it, as `load_state_dict` takes them."""
    keys = dict(enumerate(state_dict, 1))  # 0: BatchNorm's counter, where a checkpoint is from before it existed
    module.load_state_dict(rename({key: torch.full_like(state_dict[key], i) for i, key in keys.items()}))
    tags = {name: int(value.flatten()[0]) for name, value in module.state_dict().items()}
    return {name: keys[tag] for name, tag in tags.items() if tag}


def assert_parity(actual, expected) -> None:
    """Equal to what the authors' code gave."""
    first = next(iter(expected.values() if isinstance(expected, dict) else expected), None)
    tolerance = 1e-5 if first is not None and first.dtype == torch.float32 else 1e-9
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def run(method: Method, case: dict, layer: nn.Module | None, keys: dict[str, str]) -> dict:
    """Outputs and gradients of a case, in its own form."""
    inputs = {name: value.clone().requires_grad_() for name, value in case['inputs'].items()}
    outputs = method.run(layer, inputs, case['kwargs'])
    torch.autograd.backward(outputs, case['grad_outputs'])
    result = dict(
        outputs=[out.detach() for out in outputs], grad_inputs={name: value.grad for name, value in inputs.items()}
    )
    if 'grad_params' in case:
        parameters = dict(layer.named_parameters()) if layer else {}
        result['grad_params'] = {
            key: parameters[name].grad.view_as(case['state_dict'][key]) for name, key in keys.items()
        }
    return result


def record(method: Method, case: dict) -> dict:
    """Check the authors' case, then run its small brother."""
    layer, keys = None, {}
    if method.build:
        layer = method.build(case).double()
        keys = authors_keys(layer, case['state_dict'])
        layer.load_state_dict(case['state_dict'])
    for what, actual in run(method, case, layer, keys).items():
        assert_parity(actual, case[what])

    small = {**case, 'kwargs': {**case['kwargs'], **method.narrow}}
    ratio = [c / min(x.shape[axis] for x in case['inputs'].values()) for axis, c in zip((2, 3), method.coarse)]
    small['inputs'] = {
        name: draw(1, method.channels.get(name, x.shape[1]), *(round(n * r) for n, r in zip(x.shape[2:], ratio)))
        for name, x in case['inputs'].items()
    }
    if method.build:
        layer = method.build(small).double()
        parameters = dict(layer.named_parameters())
        small['state_dict'] = {}
        for name, key in keys.items():
            theirs = case['state_dict'][key]
            drawn = 0.25 * draw(*parameters[name].shape[: theirs.dim()])
            small['state_dict'][key] = drawn + theirs.mean().round()  # around one for the weights of norms
        for key, theirs in case['state_dict'].items():
            small['state_dict'].setdefault(key, torch.ones_like(theirs))  # buffers, which ours computes itself
        layer.load_state_dict(small['state_dict'])
    outputs = method.run(layer, small['inputs'], small['kwargs'])
    small['grad_outputs'] = [draw(*out.shape) for out in outputs]
    return {**small, **run(method, small, layer, keys)}


def draw(*shape: int) -> Tensor:
    """Normal numbers of few digits in float64: they take little room on the disk."""
    return torch.randn(shape).bfloat16().double()


def mmcv_carafe() -> dict:
    """The vectors that mmcv tests its CUDA kernel with, as a case."""

    def read(name: str, *shape: int) -> Tensor:
        buffer = bytearray((SHARED / f'golden/mmcv_carafe/carafe_{name}.bin').read_bytes())
        return torch.frombuffer(buffer, dtype=torch.float32).view(shape)

    shapes = dict(x=(2, 64, 3, 3), mask=(2, 100, 6, 6))
    names = dict(x='feat', mask='mask')
    output = read('output', 2, 64, 6, 6)
    return dict(
        kwargs=dict(kernel_size=5, group=4, up=2),
        inputs={name: read(names[name], *shape) for name, shape in shapes.items()},
        outputs=[output],
        grad_outputs=[torch.ones_like(output)],
        grad_inputs={name: read(f'{names[name]}_grad', *shape) for name, shape in shapes.items()},
    )


def record_network(build: Callable[..., nn.Module], weights: str, golden: str) -> dict:
    """Check the logits of the released weights, then record those of drawn weights, with 5 classes.

    The weights of a whole network are too large to store: their keys and shapes are, and they follow from these.
    """
    file = str(SHARED / f'weights/{weights}.pth')
    released = read_checkpoint(file)
    case = torch.load(SHARED / f'golden/{golden}.pt', weights_only=True)
    network = build().eval()
    keys = authors_keys(network, released, with_our_paths)
    load_strictly(network, with_our_paths(released), file)
    with torch.no_grad():
        assert_parity([network(case['x'])], [case['logits']])
        network = build(classes=5).double().eval()
        shapes = {keys[name]: list(value.shape) for name, value in network.state_dict().items() if name in keys}
        load_strictly(network, with_our_paths(draw_weights(shapes)), golden)
        x = draw(1, 3, 32, 48)
        return dict(shapes=shapes, x=x, logits=network(x))


def main() -> None:
    for name, method in METHODS.items():
        cases = torch.load(SHARED / f'golden/{name}.pt', weights_only=True)
        if name == 'carafe':
            cases.append(mmcv_carafe())
        torch.manual_seed(0)
        # FADE's form in plain PyTorch is not the one that ours is: see the test of it.
        save_golden(name, [record(method, case) for case in cases if case.get('variant') != 'h2l'])
    for build, weights, golden in RELEASED:
        torch.manual_seed(0)
        save_golden(golden, record_network(build, weights, golden))


if __name__ == '__main__':
    main()
