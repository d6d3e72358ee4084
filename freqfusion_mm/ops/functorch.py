"""Whether one of torch.func's transforms (`grad`, `vmap`, `jvp`) looks at a call."""

import torch

from .library import compiling

_stack = getattr(torch._C._functorch, 'peek_interpreter_stack', lambda: None)


def transforming() -> bool:
    """They see through plain torch alone: registered operators have no rule for them, nor has `vmap` memory formats."""
    return not compiling() and _stack() is not None
