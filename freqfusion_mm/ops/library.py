"""Registers operators with torch: one opaque node to compilers, exporters and counters, and differentiable.

Plain operators below the call would be traced one by one, loops unrolled; and compilers specialise them to the sizes
they see.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

NAMESPACE = 'freqfusion_mm'
#: torch from 2.4 on. Before, an operator is an autograd function, and compilers trace what is in it.
CAN_REGISTER = hasattr(torch.library, 'custom_op')
#: Whether a compiler or an exporter reads the code just now; torch has the question from 2.3 on.
compiling = getattr(torch.compiler, 'is_compiling', lambda: False)
#: Whether a gradient stands for many: `is_grads_batched` of `torch.autograd.grad`, vectorised Jacobians.
_stands_for_many = getattr(torch._C._functorch, 'is_legacy_batchedtensor', lambda grad: False)


def register(
    name: str,
    arguments: str,
    *,
    forward: Callable,
    backward: Callable,
    definition: Callable,
    fake: Callable,
    maps: int,
) -> Callable:
    """Make the operator `freqfusion_mm::name` of some maps and options, and return it.

    Eager calls go through it as well: on maps of 8x8 pixels it adds 7 us to a forward pass of 150, and 50 us to the 740
    of both passes; with one way for all, counters and profilers see eager models too. Autocast leaves inputs alone.

    Args:
        arguments: maps and options in the words of torch's schemas: 'Tensor x, SymInt radius'.
        forward: `(*maps, *options) -> Tensor`.
        backward: `(grad, *maps, *options, needs) -> list[Tensor]`, the gradients of those maps for which
            `needs: list[bool]` is true, in the `layout` of the maps.
        definition: `forward` in plain torch; the backward pass differentiates it where a graph of it is wanted, and
            for many gradients at once.
        fake: `(*maps, *options) -> Tensor`, an empty result.
        maps: how many, all differentiable.
    """

    def fake_backward(grad, *inputs):
        return [empty_map(tensor, tensor.shape) for tensor, need in zip(inputs[:maps], inputs[-1]) if need]

    def setup(ctx, inputs, output=None):
        ctx.save_for_backward(*inputs[:maps])
        ctx.options = inputs[maps:]

    def differentiate(ctx, grad):
        needs, saved = list(ctx.needs_input_grad[:maps]), ctx.saved_tensors  # once: a checkpoint makes them once
        higher = torch.is_grad_enabled()  # a higher derivative is wanted
        if higher or (not compiling() and _stands_for_many(grad)):
            # of each map alone: kernels that were made of the features depend on them, but not on their alias
            with torch.enable_grad():
                apart = [each.view_as(each) if higher else each.detach().requires_grad_() for each in saved]
                out = definition(*apart, *ctx.options)
            wanted = [tensor for tensor, need in zip(apart, needs) if need]
            grads = torch.autograd.grad(out, wanted, grad, create_graph=higher)
        else:
            grads = run_backward(grad, *saved, *ctx.options, needs)
        grads = iter(grads)
        return (*(next(grads) if need else None for need in needs), *[None] * len(ctx.options))

    if CAN_REGISTER:
        run_forward = node(name, f'({arguments}) -> Tensor', forward, fake)
        run_backward = node(
            f'{name}_backward', f'(Tensor grad, {arguments}, bool[] needs) -> Tensor[]', backward, fake_backward
        )
        run_forward.register_autograd(differentiate, setup_context=setup)
        return run_forward

    run_backward = backward

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            setup(ctx, inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, grad):
            return differentiate(ctx, grad)

    return Function.apply


def node(name: str, schema: str, function: Callable, fake: Callable) -> Callable:
    """`freqfusion_mm::name`, without a gradient; for `CAN_REGISTER`."""
    operator = torch.library.custom_op(f'{NAMESPACE}::{name}', function, mutates_args=(), schema=schema)
    operator.register_fake(fake)
    return operator


def empty_map(like: Tensor, shape: Sequence[int], dtype: torch.dtype | None = None) -> Tensor:
    """An empty map in the layout that results have: channels last where `like` is, else contiguous."""
    return torch.empty(tuple(shape), dtype=dtype or like.dtype, device=like.device, memory_format=layout(like))


def layout(like: Tensor) -> torch.memory_format:
    """The layout of results of a map: the same, whichever way they are computed, as compilers rely on it."""
    channels_last = not like.is_contiguous() and like.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
