"""Whether one of torch.func's transforms (`grad`, `vmap`, `jvp`), or forward-mode differentiation, looks at a call."""

import torch
from torch.autograd import forward_ad

from .library import compiling

_stack = getattr(torch._C._functorch, 'peek_interpreter_stack', lambda: None)


def transforming() -> bool:
    """They see through plain torch alone: registered operators have no rule for them, nor has `vmap` memory formats.

    False inside a compilation, which would lose the operators: of a transform that is compiled with them, torch says
    that it has no rule. Compile what is inside the transform, or transform with `impl='reference'`.
    """
    return not compiling() and (_stack() is not None or forward_ad._current_level >= 0)
