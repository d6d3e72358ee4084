"""Registers operators with torch: one opaque node to compilers, exporters and counters, and differentiable.

Plain operators below the call would be traced one by one, loops unrolled; and compilers specialise them to the sizes
they see.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from . import triton

NAMESPACE = 'freqfusion_mm'
#: torch from 2.4 on. Before, an operator is an autograd function, and compilers trace what is in it.
CAN_REGISTER = hasattr(torch.library, 'custom_op')
#: Whether a compiler or an exporter reads the code just now; torch has the question from 2.3 on.
compiling = getattr(torch.compiler, 'is_compiling', lambda: False)


def autocasting(tensor: Tensor) -> bool:
    """Whether autocast chooses the dtypes of torch's own operators on the device, one by one."""
    if CAN_REGISTER:  # torch that new takes the device
        return torch.is_autocast_enabled(tensor.device.type)
    return torch.is_autocast_enabled() if tensor.is_cuda else torch.is_autocast_cpu_enabled()


def register(
    name: str, forward: Callable, backward: Callable, definition: Callable, fake: Callable, maps: int = 2
) -> Callable:
    """Make the operator `freqfusion_mm::name` of two maps, or another number of them, and some options.

    Eager calls go through it as well: on maps of 8x8 pixels it adds 7 us to a forward pass of 150, and 50 us to the 740
    of both passes; with one way for all, counters and profilers see eager models too. Autocast leaves inputs alone.

    Args:
        forward: `(*maps, *options) -> Tensor`; its type hints are the operator's schema.
        backward: `(grad, *maps, *options, needs) -> list[Tensor]`, the gradients of those maps for which
            `needs: list[bool]` is true, in the `layout` of the maps.
        definition: `forward` in plain torch; the backward pass differentiates it where a graph of it is wanted.
        fake: `(*maps, *options) -> Tensor`, an empty result.
        maps: how many, all differentiable.
    """

    def fake_backward(grad, *inputs):
        return [empty_map(tensor, tensor.shape) for tensor, need in zip(inputs[:maps], inputs[-1]) if need]

    if CAN_REGISTER:
        run_forward = torch.library.custom_op(f'{NAMESPACE}::{name}', forward, mutates_args=())
        run_backward = torch.library.custom_op(f'{NAMESPACE}::{name}_backward', backward, mutates_args=())
        run_forward.register_fake(fake)
        run_backward.register_fake(fake_backward)
    else:
        run_forward, run_backward = forward, backward

    def setup(ctx, inputs, output=None):
        ctx.save_for_backward(*inputs[:maps])
        ctx.options = inputs[maps:]

    def differentiate(ctx, grad):
        needs = list(ctx.needs_input_grad[:maps])
        if torch.is_grad_enabled():  # a higher derivative is wanted
            out = definition(*ctx.saved_tensors, *ctx.options)
            wanted = [tensor for tensor, need in zip(ctx.saved_tensors, needs) if need]
            grads = torch.autograd.grad(out, wanted, grad, create_graph=True)
        else:
            grads = run_backward(grad, *ctx.saved_tensors, *ctx.options, needs)
        grads = iter(grads)
        return (*(next(grads) if need else None for need in needs), *[None] * len(ctx.options))

    if CAN_REGISTER:
        run_forward.register_autograd(differentiate, setup_context=setup)
        return run_forward

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            setup(ctx, inputs)
            return run_forward(*inputs)

        @staticmethod
        def backward(ctx, grad):
            return differentiate(ctx, grad)

    return Function.apply


def empty_map(like: Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """An empty map in the layout that results have: channels last where `like` is, else contiguous."""
    return torch.empty(tuple(shape), dtype=dtype or like.dtype, device=like.device, memory_format=layout(like))


def layout(like: Tensor) -> torch.memory_format:
    """The layout of results of a map: the same, whichever way they are computed, as compilers rely on it."""
    channels_last = not like.is_contiguous() and like.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def triton_kernels(name: str, impl: str, *args) -> ModuleType | None:
    """The module `freqfusion_mm.ops.<name>` where `impl` names it, or is 'auto' on a GPU that it fits; or None.

    Args:
        name: of the module, whose `why_not` takes `args`, the first of them a tensor.
        impl: 'triton', 'auto', or another, which is not for Triton.

    Raises:
        ValueError: `impl='triton'` cannot run on these arguments.
    """
    if impl != 'triton' and not (impl == 'auto' and args[0].is_cuda):
        return None
    reason = triton.missing()
    if reason is None:  # before that, the module would not import
        kernels = import_module(f'.{name}', __package__)
        reason = kernels.why_not(*args)
        if reason is None:
            return kernels
    if impl == 'triton':
        raise ValueError(f"impl='triton' cannot run here: {reason}. Use impl='auto', which takes another way then")
    return None
