"""Which implementation of an operator runs: the named one, the one that a `with` names, or the first that can."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from .functorch import transforming
from .library import compiling, layout, register

_LOGGER = logging.getLogger('freqfusion_mm.ops')
#: What `implementation` asks for in place of 'auto': operator -> a name, or a function.
_ASKED: ContextVar[Mapping[str, str | Callable]] = ContextVar('implementation', default=MappingProxyType({}))
#: Whether `implementation` was ever open.
_opened = False
#: Operator -> the names of its implementations.
_NAMES: dict[str, tuple[str, ...]] = {}


@contextmanager
def implementation(wanted: str | Mapping[str, Callable]) -> Iterator[None]:
    """While it is open, calls with `impl='auto'` take another implementation: what tests and benchmarks compare with.

    Convention:
        It holds in the thread that opened it, and for the forward call; the backward pass follows the forward. An
        `impl` in the call itself comes first. Inside another one, the inner wins for the operators that it concerns.
        `torch.compile` reads a name while it traces and keeps what it traced: open it around the first call of a
        function that was just compiled. Functions are for eager calls.

    Args:
        wanted: the name of an implementation, for every operator that has one of this name, e.g. 'reference', which all
            have; or functions of the caller's in the place of operators, by the operators' names. They get the
            arguments of the operator's definition, positionally, and take care of their own gradients.

    Raises:
        ValueError: no operator has this implementation, or this name; in the call of an operator, that the
            implementation cannot run on its arguments.

    Example:
        >>> from freqfusion_mm.ops import carafe
        >>> x, kernels = torch.rand(1, 8, 5, 7), torch.rand(1, 25, 10, 14).softmax(dim=1)
        >>> with implementation('reference'):
        ...     expected = carafe(x, kernels, kernel_size=5)
        >>> torch.allclose(carafe(x, kernels, kernel_size=5), expected, atol=1e-6)
        True
    """
    if isinstance(wanted, str):
        changes = {operator: wanted for operator, names in _NAMES.items() if wanted in names}
        if not changes:
            known = sorted({name for names in _NAMES.values() for name in names})
            raise ValueError(f'no operator has an implementation {wanted!r}: choose one of {", ".join(known)}')
    else:
        changes = dict(wanted)
        if unknown := sorted(set(changes) - set(_NAMES)):
            raise ValueError(f'no operator is called {", ".join(unknown)}: there are {", ".join(sorted(_NAMES))}')
    global _opened
    if not _opened:
        # Compilers cannot read the variable. Here and not above, since this imports them.
        torch.compiler.assume_constant_result(_asked)
        _opened = True
    token = _ASKED.set({**_ASKED.get(), **changes})
    try:
        yield
    finally:
        _ASKED.reset(token)


def _asked(operator: str) -> str:
    """A name, since compilers hold no function as a constant."""
    wanted = _ASKED.get().get(operator, 'auto')
    return wanted if isinstance(wanted, str) else 'function'


class Implementation(Protocol):
    """A way to compute an operator: a module or an object with these functions of the operator's arguments."""

    def why_not(self, *args) -> str | None:
        """Why it cannot run on these arguments, or None."""

    def forward(self, *args) -> Tensor:
        """The result."""

    def backward(self, grad: Tensor, *args, needs: Sequence[bool]) -> Sequence[Tensor | None]:
        """A gradient for each map, None where it is not needed."""


class Operator:
    """A function of maps and options that has several implementations, and is one node to compilers and counters.

    Args:
        name: torch has the operator as `freqfusion_mm::name`, with the implementation as a last argument.
        arguments: the maps, then the options, in the words of torch's schemas: 'Tensor x, SymInt radius'.
        definition: what the operator means, in plain torch, differentiable any number of times: the implementation
            'reference'.
        fake: an empty result.
        implementations: those beside the definition, in order of preference; on a CPU, 'triton' is for who names it.
        prefer: the order of their names for given arguments, where it depends on these.
        maps: how many arguments are differentiable tensors.
        like: which of them gives the result its layout.
        exported: what ONNX gets from torch's older exporter, in plain torch; by default the definition.
    """

    def __init__(
        self,
        name: str,
        arguments: str,
        *,
        definition: Callable[..., Tensor],
        fake: Callable[..., Tensor],
        implementations: Mapping[str, Implementation],
        prefer: Callable[..., Sequence[str]] | None = None,
        maps: int = 2,
        like: int = 0,
        exported: Callable[..., Tensor] | None = None,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.definition = definition
        self.fake = fake
        self.implementations = implementations
        self.prefer = prefer or (lambda *args: tuple(implementations))
        self.maps = maps
        self.like = like
        self.exported = exported or definition
        self.names = ('auto', *implementations, 'reference')
        self.node = self._register()
        self._logged: set[tuple[str, torch.device, torch.dtype]] = set()
        _NAMES[name] = self.names[1:]

    def __call__(self, *args, impl: str = 'auto') -> Tensor:
        """The result for checked arguments.

        Raises:
            ValueError: `impl` is no implementation of this operator, or cannot run on the arguments.
        """
        if impl not in self.names:
            raise ValueError(f'impl must be one of {self.names}, got {impl!r}')
        if impl == 'auto' and _opened:
            impl = _asked(self.name)
        if impl == 'function':
            return _ASKED.get()[self.name](*args)
        if torch.onnx.is_in_onnx_export():  # the newer exporter traces free sizes, which `exported` reasons about
            return (self.exported if torch.jit.is_tracing() else self.definition)(*args)
        if impl == 'reference' or transforming():
            if not compiling():
                self._log('reference', args[0])
            return self.definition(*args)
        return self.node(*args, impl)

    def pick(self, impl: str, *args) -> Implementation:
        """The implementation of this name, or for 'auto' the first that can run."""
        if impl == 'auto':
            candidates = [name for name in self.prefer(*args) if name != 'triton' or args[0].is_cuda]
            impl = next(name for name in candidates if self.implementations[name].why_not(*args) is None)
        elif (reason := self.implementations[impl].why_not(*args)) is not None:
            raise ValueError(f"impl={impl!r} cannot run here: {reason}. Use impl='auto', which takes another way then")
        self._log(impl, args[0])
        return self.implementations[impl]

    def _log(self, impl: str, like: Tensor) -> None:
        if _LOGGER.isEnabledFor(logging.DEBUG):
            case = impl, like.device, like.dtype
            if case not in self._logged:
                self._logged.add(case)
                _LOGGER.debug('%s: %s on %s in %s', self.name, *case)

    def _register(self) -> Callable:
        return register(
            self.name,
            f'{self.arguments}, str impl',
            forward=self._forward,
            backward=self._backward,
            definition=lambda *args: self.definition(*args[:-1]),
            fake=lambda *args: self.fake(*args[:-1]),
            maps=self.maps,
        )

    def _forward(self, *args) -> Tensor:
        *args, impl = args
        if len(args[0]) == 0:  # a batch of none, which no way to compute has to think of
            return self.fake(*args)
        result = self.pick(impl, *args).forward(*args)
        return result.contiguous(memory_format=layout(args[self.like]))

    def _backward(self, grad: Tensor, *args) -> list[Tensor]:
        *args, impl, needs = args
        if len(args[0]) == 0:
            return [torch.zeros_like(each) for each, need in zip(args, needs) if need]
        grads = self.pick(impl, *args).backward(grad, *args, needs=needs)
        return [
            result.to(like.dtype).contiguous(memory_format=layout(like))
            for result, like, need in zip(grads, args, needs)
            if need
        ]
