import subprocess
import sys
from types import SimpleNamespace

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
    monkeypatch.setattr(package, 'version', lambda name: '3.6.0' if name == 'pytorch-triton' else missing(name))
    package.missing.cache_clear()
    assert package.missing() is None  # that of torch's nightly builds


def test_where_triton_cannot_compile_its_launcher_the_other_ways_run(monkeypatch):
    """The first look at Triton's driver compiles C, which images of containers may not have what it takes for."""

    class Driver:
        @property
        def active(self):
            raise RuntimeError('Failed to find C compiler.\nPlease specify via CC')

    fake = SimpleNamespace(runtime=SimpleNamespace(driver=Driver()))
    monkeypatch.setitem(sys.modules, 'triton', fake)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (9, 0))
    monkeypatch.setattr(torch.version, 'hip', None)
    reason = package._unfit_to_compile(torch.device('cuda', 7))
    assert reason == (
        'Triton cannot compile its launcher (RuntimeError: Failed to find C compiler. Please specify via CC): it wants '
        'gcc and the headers of Python'
    )
    package._no_launcher.cache_clear()
    fake.runtime.driver = SimpleNamespace(active=SimpleNamespace(utils=1))
    assert package._unfit_to_compile(torch.device('cuda', 8)) is None


@pytest.fixture(autouse=True)
def forget():
    yield
    for function in (package.missing, package._unfit_to_compile, package._no_launcher):
        function.cache_clear()
