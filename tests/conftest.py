"""What every test may use: the shared files, and one table of tolerances by dtype."""

import gc
import sys
from pathlib import Path

import pytest
import torch
from _pytest.doctest import DoctestModule
from goldens import load_golden
from torch import distributed

SHARED = Path(__file__).resolve().parents[2] / 'shared'

#: rtol = atol, against stored results of the authors' code.
PARITY = {torch.float64: 1e-9, torch.float32: 1e-5}
#: See `process_group`.
_GROUPS = []
#: rtol = atol, between two ways to compute one thing.
SAME = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Tests have no doctests: looking for some would skip a file that fails to import, and its tests unseen."""
    collectors = yield
    return [each for each in collectors if not isinstance(each, DoctestModule)]


def pytest_collection_finish():
    """What is imported by now stays: without it, garbage is looked for in milliseconds, not in half a second a time."""
    gc.collect()
    gc.freeze()


def _assert_close(table):

    def assert_close(actual, expected, what=''):
        tolerance = table[expected.dtype]
        torch.testing.assert_close(
            actual, expected, rtol=tolerance, atol=tolerance, msg=lambda message: f'{what}: {message}'
        )

    return assert_close


@pytest.fixture(scope='session')
def assert_parity():
    """assert_parity(actual, expected, what): equal to a stored result of the authors' code."""
    return _assert_close(PARITY)


@pytest.fixture(scope='session')
def assert_same():
    """assert_same(actual, expected, what): two ways to compute one thing agree."""
    return _assert_close(SAME)


@pytest.fixture(scope='session')
def shared():
    """shared('golden/x.pt'): the path of a file beside the project that is not part of it, or a skip."""

    def path(name):
        if not (SHARED / name).exists():
            pytest.skip(f'shared/{name} is not beside the project')
        return SHARED / name

    return path


@pytest.fixture
def process_group():
    """torch.distributed with this process alone.

    The group is kept: its end waits for its thread, with the interpreter locked, and the thread wants the interpreter
    while it lets go of what it did last. Where the group ends with a wrapper of DDP right after a step, both wait for
    ever (torch 2.13).
    """
    distributed.init_process_group('gloo', store=distributed.HashStore(), rank=0, world_size=1)
    _GROUPS.append(distributed.group.WORLD)
    yield
    distributed.destroy_process_group()


@pytest.fixture(params=['tests/data', 'authors'])
def golden(request, shared):
    """golden('carafe'): recorded cases, those of tests/data and then those of the authors' code."""
    if request.param == 'tests/data':
        return load_golden
    return lambda name: torch.load(shared(f'golden/{name}.pt'), weights_only=True)


@pytest.fixture(scope='session')
def second_derivatives():
    """second_derivatives(op, args): gradients of the gradients of `op`, by its arguments and by what came from above.

    Two ways to compute one thing are compared by them exactly, which finite differences (`gradgradcheck`) cannot do.
    """

    def differentiate_twice(op, args):
        torch.manual_seed(1)
        out = op(*args)
        above = torch.randn_like(out, requires_grad=True)
        first = torch.autograd.grad(out, args, above, create_graph=True)
        return torch.autograd.grad(first, (*args, above), [torch.randn_like(grad) for grad in first])

    return differentiate_twice


class Scopes:
    """A plugin, so that it is for the package's examples, too."""

    @pytest.fixture(autouse=True)
    def default_scope(self):
        """The scope that a runner or a test set ends with the test: it changes what a bare name means to the next."""
        registry = sys.modules.get('mmengine.registry')
        before = None if registry is None else dict(registry.DefaultScope._instance_dict)
        yield
        if before is not None:
            registry.DefaultScope._instance_dict.clear()
            registry.DefaultScope._instance_dict.update(before)


def pytest_configure(config):
    config.pluginmanager.register(Scopes())


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
