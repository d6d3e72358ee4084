"""One check: a subject in one dtype, layout, size and situation, forward and every gradient, against float64."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from freqfusion_mm.ops import implementation
from freqfusion_mm.ops.triton import INTERPRETED

from .hardware import Machine
from .launches import Launches, describe
from .subjects import LAYOUTS, Sizes, Subject, subjects

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
#: Beyond the error of plain torch in the same precision: times its own, and roundings of the largest value.
TIMES, ROUNDINGS = 2.0, 4.0
#: Inputs and weights to try.
DRAWS = 4
#: Of the root mean square, what a whole layer may be off by in half precision, whatever plain torch is: that has no
#: number for some (its FreqFusion overflows in float16), and small ones by luck.
LAYER_FLOOR = {torch.float32: 0.0, torch.float16: 0.1, torch.bfloat16: 0.2}


@dataclass(frozen=True)
class Check:
    """What is checked, and how."""

    subject: Subject
    dtype: torch.dtype
    sizes: Sizes
    layout: str = 'contiguous'
    situation: str = 'eager'

    @property
    def name(self) -> str:
        batch, coarse, fine = self.sizes
        sizes = f'batch {batch}, {"x".join(map(str, coarse))} to {"x".join(map(str, fine))}'
        dtype = str(self.dtype).removeprefix('torch.')
        return f'check {self.subject.name}: {dtype}, {sizes}, {self.layout}, {self.situation}'


def checks(cpu: bool) -> list[Check]:
    """All of them, the simplest first: what fails there fails in the others too."""
    found = subjects(8 if cpu else 32)
    even, odd, many = (
        ((1, (3, 4), (6, 8)), (2, (3, 5), (7, 9)), (16, (2, 3), (4, 6)))
        if cpu
        else ((1, (16, 24), (32, 48)), (2, (13, 17), (27, 35)), (16, (8, 12), (16, 24)))
    )
    ways = [
        dict(sizes=even),
        dict(sizes=odd, layout='channels last'),
        dict(sizes=odd, layout='not contiguous'),
        dict(sizes=many),
    ]
    plain = [Check(subject, dtype, **way) for way in ways for dtype in DTYPES for subject in found]
    situations = [
        Check(subject, torch.float32, odd, situation=situation)
        for situation in ('CUDA graph', 'two streams', 'compiled')
        for subject in found
    ]
    return plain + situations


def run(check: Check, machine: Machine, launches: Launches | None = None) -> dict:
    """Whether it passes, and where it does not, which result, by how much, and what was launched.

    Of many values one may lie at a kink, where two right gradients differ: a result fails that is wrong for every one
    of `DRAWS` inputs.
    """
    faults: dict[str, str] = {}
    for draw in range(DRAWS):
        found, maps = _drawn(check, draw, machine, launches)
        faults = {label: fault for label, fault in found.items() if draw == 0 or label in faults}
        if not faults:
            break
    described = ', '.join(map(describe, maps))
    options = ''.join(f', {name}={value!r}' for name, value in check.subject.options.items())
    return dict(
        status='failed' if faults else 'passed',
        why='; '.join(faults.values()),
        arguments=f'{check.subject.name}({described}{options})',
        kernels=list(launches.names) if launches else [],
    )


def _drawn(check: Check, seed: int, machine: Machine, launches: Launches | None) -> tuple[dict[str, str], list[Tensor]]:
    """What is wrong with one draw of maps and weights, by result, and the maps."""
    torch.manual_seed(seed)
    module, maps = check.subject.make(check.sizes)
    module = module.to(check.dtype)
    maps = [map_.to(check.dtype) for map_ in maps]
    other = [map_.roll(1, dims=1) for map_ in maps]
    exact = _results(deepcopy(module).double(), [map_.double() for map_ in maps], 'reference')
    on_device = module.to(machine.device)
    maps, other = ([LAYOUTS[check.layout](map_.to(machine.device)) for map_ in each] for each in (maps, other))
    plain = _results(on_device, maps, check.subject.plain)
    if launches:
        launches.clear()
    ways = 'triton' if check.subject.kind == 'op' and _runs_kernels(check) else None
    situation = SITUATIONS[check.situation]
    ours = situation(machine, lambda inputs, module=on_device: _results(module, inputs, ways), on_device, maps, other)
    machine.synchronize()
    floor = LAYER_FLOOR[check.dtype] if check.subject.kind == 'layer' else 0.0
    return _faults(ours, plain, exact, _labels(on_device, maps), floor), maps


def _runs_kernels(check: Check) -> bool:
    """Whether an operator's kernels are asked for by name: a GPU would take them anyway, or say why not; Triton's
    interpreter takes seconds for a map, so that a rehearsal has it do the single ones alone.
    """
    return check.subject.name != 'box_mean' and (not INTERPRETED or check.sizes[0] == 1)


def _results(module: nn.Module, maps: Sequence[Tensor], ways) -> list[Tensor | None]:
    """The result, and the gradients by maps and parameters, for one upstream gradient."""
    maps = [map_ if map_.requires_grad else map_.detach().requires_grad_() for map_ in maps]
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if ways is None:
        out = module(*maps)
    else:
        with implementation(ways):
            out = module(*maps)
    above = _above(tuple(out.shape), out.dtype, out.device)
    return [out.detach(), *torch.autograd.grad(out, [*maps, *parameters], above, allow_unused=True)]


@cache  # a captured graph reads it
def _above(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """What comes from above, in values that every dtype holds."""
    generator = torch.Generator().manual_seed(1)
    return (torch.randint(-8, 9, shape, generator=generator) / 8).to(device, dtype)


def _labels(module: nn.Module, maps: Sequence[Tensor]) -> list[str]:
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    return ['the result', *(f'the gradient of map {index}' for index in range(len(maps)))] + [
        f'the gradient of {name}' for name in names
    ]


def _faults(
    ours: Sequence, plain: Sequence, exact: Sequence, labels: Sequence[str], floor: float = 0.0
) -> dict[str, str]:
    """Every result whose error is more than `TIMES` that of plain torch, plus some roundings of its largest value.

    Root mean squares, for one value at a kink decides little of them. Triton's interpreter cuts float32 off to bfloat16
    where a GPU rounds, which is another factor of two. A whole layer in half precision is as noisy as its kinks, and
    `floor` of the root mean square is allowed there.
    """
    faults = {}
    largest = max(float(wanted.abs().max()) for wanted in exact if wanted is not None)
    for label, mine, theirs, wanted in zip(labels, ours, plain, exact, strict=True):
        if mine is None or wanted is None:
            if (mine is None) != (wanted is None):
                faults[label] = f'{label} is {"missing" if mine is None else "more than is expected"}'
            continue
        if mine.shape != wanted.shape:
            faults[label] = f'{label} has the shape {tuple(mine.shape)}, expected {tuple(wanted.shape)}'
            continue
        error, allowed = (float((result.double().cpu() - wanted).square().mean().sqrt()) for result in (mine, theirs))
        # Some gradients are zero by their formula: all that is in them is the rounding of sums.
        least = 1e-2 * largest
        scale, typical = max(float(wanted.abs().max()), least), max(float(wanted.square().mean().sqrt()), least)
        times = 2 * TIMES if INTERPRETED and mine.dtype == torch.bfloat16 else TIMES
        rounding = ROUNDINGS * torch.finfo(mine.dtype).eps * scale
        # plain torch may have no number to compare
        allowed = max(floor * typical, rounding, times * allowed + rounding)
        if not error <= allowed:
            faults[label] = f'{label} is off by {error:.2e} (root mean square), {allowed:.2e} is allowed'
    return faults


# ---------------------------------------------------------------- situations


def _eager(machine: Machine, function: Callable, module: nn.Module, maps: list[Tensor], other: list[Tensor]):
    return function(maps)


def _graph(machine: Machine, function: Callable, module: nn.Module, maps: list[Tensor], other: list[Tensor]):
    return machine.replayed(function, other, maps)


def _streams(machine: Machine, function: Callable, module: nn.Module, maps: list[Tensor], other: list[Tensor]):
    # Each has its own module: gradients of shared weights are no question of streams.
    twin = deepcopy(module)
    first, _ = machine.side_by_side([lambda: function(maps), lambda: function(other, twin)])
    return first


def _compiled(machine: Machine, function: Callable, module: nn.Module, maps: list[Tensor], other: list[Tensor]):
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend=machine.backend)
    function(other, compiled)
    return function(maps, compiled)


SITUATIONS = {'eager': _eager, 'CUDA graph': _graph, 'two streams': _streams, 'compiled': _compiled}
