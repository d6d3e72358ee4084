"""Where the tests of the Triton kernels run: on a GPU, or on the CPU in Triton's interpreter.

The interpreter is switched on by an environment variable that triton reads when it is imported, for the whole process.
So it gets a process of its own: `test_triton_interpreter.py` runs the other files of this folder in one.
"""

import os

import pytest
import torch

from freqfusion_mm.ops.triton import missing


@pytest.fixture(scope='session')
def needs_triton():
    """A skip where triton is missing or too old."""
    if missing() is not None:
        pytest.skip(missing())


@pytest.fixture(scope='session')
def triton_device(needs_triton):
    """The device that the kernels run on in this process, or a skip."""
    if os.environ.get('TRITON_INTERPRET') == '1':
        return torch.device('cpu')
    if not torch.cuda.is_available():
        pytest.skip('no CUDA device; without one, test_triton_interpreter.py runs this in a process of its own')
    return torch.device('cuda')


@pytest.fixture
def assert_half_close():
    """assert_half_close(ours, plain, exact): the error is at most twice that of plain torch in the same precision."""

    def check(ours, plain, exact, what=''):
        # The interpreter cuts float32 off to bfloat16 where a GPU rounds, which is another factor of two.
        times = 4 if ours.dtype == torch.bfloat16 and os.environ.get('TRITON_INTERPRET') == '1' else 2
        error, allowed = ((result.double().cpu() - exact).abs().max() for result in (ours, plain))
        assert error <= times * allowed + 1e-12, f'{what}: error {error:.2e}, plain torch {allowed:.2e}'

    return check
