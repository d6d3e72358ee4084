import subprocess
import sys

import pytest
import torch

from freqfusion_mm.ops import triton as package


def test_asking_imports_no_triton():
    code = (
        'import sys, torch; from freqfusion_mm.ops import triton; triton.why_not(torch.ones(1)); '
        'sys.exit("triton" in sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=package.__file__.rpartition('/freqfusion_mm/')[0])


def test_reasons(monkeypatch):
    monkeypatch.setattr(package, 'INTERPRETED', False)
    monkeypatch.setattr(package, 'version', lambda name: '3.7.1')
    package.missing.cache_clear()
    assert package.why_not(torch.ones(1)) == 'the Triton kernels run on NVIDIA GPUs, not on cpu'
    assert 'not torch.int64' in package.why_not(torch.ones(1, dtype=torch.int64))
    assert 'no empty tensors' in package.why_not(torch.ones(0))
    monkeypatch.setattr(package, 'version', lambda name: '2.1.0')
    package.missing.cache_clear()
    assert 'triton 2.1.0 is older than' in package.why_not(torch.ones(1))

    def missing(name):
        raise package.PackageNotFoundError

    monkeypatch.setattr(package, 'version', missing)
    package.missing.cache_clear()
    assert 'triton is not installed' in package.why_not(torch.ones(1))


@pytest.fixture(autouse=True)
def forget():
    yield
    package.missing.cache_clear()
