"""All layers under autocast: nothing overflows that plain torch does not, nor is more lost than twice what it loses.

The fusions alone are in `upsamplers/test_fusions.py`, the operators in `../ops`.
"""

import copy

import plain_formulation
import pytest
import torch
from plain_formulation import OPERATORS, SMOOTH, WRITTEN_OUT, Lifted, Replaced
from small_upsamplers import CFGS

from freqfusion_mm.layers import (
    EESP,
    ESP,
    POOLS,
    DepthwisePyramidPool,
    EESPDown,
    EfficientPyramidPool,
    GatedSkip,
    GuidedFilter,
    OffsetGenerator,
    PairedDifferenceConv,
    ShallowImageGuide,
    build_fusion,
    build_pool,
)
from freqfusion_mm.ops import implementation

C = 16
COARSE, FINE = (8, 10), (16, 20)
DTYPES = [torch.bfloat16, torch.float16]

#: name -> a function that makes the layer, and the sizes of its maps.
LAYERS = {name: (lambda cfg=cfg: build_fusion(cfg, C, C), (COARSE, FINE)) for name, cfg in CFGS.items()}
LAYERS |= {name: (lambda name=name: build_pool(dict(type=name), C), (FINE,)) for name in POOLS}
LAYERS |= {
    'wavelet': (lambda: build_pool(dict(type='wavelet', wavelet='legall'), C), (FINE,)),
    'lift and back': (lambda: Lifted(C), (FINE,)),
    'paired difference': (lambda: PairedDifferenceConv(C, 8, groups=4), (FINE, FINE)),
    'guided filter': (GuidedFilter, (FINE, FINE)),
    'offset generator': (lambda: OffsetGenerator(C), (COARSE, FINE, FINE)),
    'ESP': (lambda: ESP(C, C), (FINE,)),
    'EESP': (lambda: EESP(C, C), (FINE,)),
    'EESPDown': (lambda: EESPDown(C, 2 * C, image_channels=C), (COARSE, FINE)),
    'EfficientPyramidPool': (lambda: EfficientPyramidPool(C, 8, 4), (FINE,)),
    'DepthwisePyramidPool': (lambda: DepthwisePyramidPool(C, 8), (FINE,)),
    'GatedSkip': (lambda: GatedSkip(C, 8), (FINE,)),
    'ShallowImageGuide': (lambda: ShallowImageGuide(C, 8, 8), (FINE,)),
}
#: name -> its formula; the others are their own, with torch's functions written out.
FORMULAS = {
    'wavelet': plain_formulation.lift_pool,
    'lift': plain_formulation.lift_pool,
    'lift and back': Lifted.plain,
    'paired difference': plain_formulation.paired_difference,
    'guided filter': plain_formulation.guided_filter,
}


@pytest.fixture(params=DTYPES)
def dtype(request):
    if request.param == torch.float16 and not hasattr(torch.amp, 'is_autocast_available'):
        pytest.skip('this torch has no float16 autocast on the CPU')
    return request.param


def calls(name, layer):
    """The layer and its plain formulation, as functions of the maps."""
    options = dict(dilation=(2, 2)) if name == 'paired difference' else {}

    def plain(*feats):
        return FORMULAS.get(name, type(layer).__call__)(layer, *feats, **options)

    return lambda *feats: layer(*feats, **options), plain


def results(call, layer, feats, grads=None):
    """Outputs, the gradients of the maps, and those of all parameters as one vector; of the outputs' mean without
    `grads`."""
    feats = [feat.clone().requires_grad_() for feat in feats]
    parameters = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    outs = call(*feats)
    outs = [outs] if torch.is_tensor(outs) else list(outs)
    grads = grads or [torch.full_like(out, 1 / out.numel()) for out in outs]
    found = torch.autograd.grad(
        outs, [*feats, *parameters], [grad.to(out.dtype) for grad, out in zip(grads, outs)], allow_unused=True
    )
    found = [torch.zeros(1) if grad is None else grad.detach() for grad in found]
    vector = torch.cat([grad.flatten() for grad in found[len(feats) :]]) if parameters else torch.zeros(1)
    return [*(out.detach() for out in outs), *found[: len(feats)], vector]


@pytest.mark.parametrize('name', LAYERS)
def test_extreme_maps_stay_finite_where_plain_torch_does(name, dtype):
    make, sizes = LAYERS[name]
    cases = {
        'zeros': (0.0, 0.0, sizes),
        'constant': (1.0, 0.0, sizes),
        'large and constant': (1e4, 0.0, sizes),
        'faint': (0.0, 1e-6, sizes),
        'large and rough': (0.0, 1e4 if dtype == torch.bfloat16 else 1e3, sizes),
        'one pixel': (1.0, 1.0, [(1, 1)] * len(sizes)),
    }
    if dtype == torch.bfloat16:  # there oneDNN leaves part of the gradient of a convolution's weights as the memory was
        del cases['one pixel']
    for case, (level, spread, used) in cases.items():
        torch.manual_seed(0)
        feats = [(level + spread * torch.randn(2, C, *size)).to(dtype) for size in used]
        layer = make()
        ours, plain = calls(name, layer)
        with torch.autocast('cpu', dtype=dtype):
            actual = results(ours, layer, feats)
            if all(torch.isfinite(tensor).all() for tensor in actual):
                continue
            with (
                implementation(OPERATORS),
                Replaced(WRITTEN_OUT),
            ):  # a convolution's own gradient may overflow in float16
                expected = results(plain, layer, feats)
        exact, _ = calls(name, layer.double())
        exact = results(exact, layer, [feat.double() for feat in feats])
        if max(tensor.abs().max() for tensor in exact) > torch.finfo(dtype).max:
            continue  # nor has any formulation these numbers
        for number, (ours_one, plain_one) in enumerate(zip(actual, expected)):
            finite = torch.isfinite(plain_one)
            assert torch.isfinite(ours_one[finite]).all(), f'{case}, tensor {number}'


@pytest.mark.parametrize('name', LAYERS)
def test_error_is_at_most_twice_that_of_plain_torch(name, dtype):
    make, sizes = LAYERS[name]
    layer = make()
    double = copy.deepcopy(layer).double()
    cases = [(0, 1), (4, 1), (0, 1e4 if dtype == torch.bfloat16 else 100)]
    if name == 'paired difference':  # rounds what it subtracts, for maps that its layer has normalised
        cases.remove((4, 1))
    for level, spread in cases:
        feats = [(level + spread * torch.randn(4, C, *size)).to(dtype) for size in sizes]
        (exact_call, _), (ours_call, plain_call) = calls(name, double), calls(name, layer)
        with Replaced(SMOOTH):
            with torch.no_grad():
                outs = exact_call(*[feat.double() for feat in feats])
            grads = [torch.randn(out.shape).to(dtype) for out in ([outs] if torch.is_tensor(outs) else outs)]
            exact = results(exact_call, double, [feat.double() for feat in feats], grads)
            with torch.autocast('cpu', dtype=dtype):
                ours = results(ours_call, layer, feats, grads)
                with implementation(OPERATORS), Replaced(SMOOTH | WRITTEN_OUT):
                    plain = results(plain_call, layer, feats, grads)
        for number, (*both, wanted) in enumerate(zip(ours, plain, exact)):
            error, allowed = ((result.double() - wanted).square().mean().sqrt() for result in both)
            assert error <= 2 * allowed or not torch.isfinite(allowed), (
                f'level {level}, spread {spread}, tensor {number}: error {error:.2e}, plain torch {allowed:.2e}'
            )


def test_a_pixel_that_is_no_number_is_none_afterwards_and_ends_no_process():
    """torch's own `grid_sample` reads and writes outside its tensors there, on the CPU."""
    for value in (torch.nan, torch.inf):
        feats = [torch.randn(1, C, *size) for size in (COARSE, FINE)]
        feats[1][..., 3, 3] = value
        layer = build_fusion(CFGS['FreqFusion'], C, C)
        lr_up, hr_feat, *_ = results(layer, layer, feats)
        assert lr_up.isnan().any() and hr_feat.isnan().any()
