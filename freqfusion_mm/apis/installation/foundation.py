"""Checks of what everything else rests on: Python, torch, its devices, Triton."""

from collections.abc import Callable

from .finding import Finding, flat, note, numbers, ok, problem

_TORCH = 'pip install torch==2.13.0'


def check_python_and_torch(
    python: tuple[int, ...], torch_version: str | None, numpy_version: str | None
) -> list[Finding]:
    """Checks the versions."""
    shown = '.'.join(map(str, python[:3]))
    of_python = (
        ok(f'python {shown}')
        if python >= (3, 10)
        else problem(f'python {shown} is too old', 'use Python 3.10 or newer')
    )
    if torch_version is None:
        of_torch = problem('torch is missing', _TORCH)
    elif numbers(torch_version) < (2, 1):
        of_torch = problem(f'torch {torch_version} is too old', _TORCH)
    elif numbers(torch_version) < (2, 3) and numpy_version and numbers(numpy_version) >= (2,):
        of_torch = problem(
            f'torch {torch_version} was compiled for numpy 1, but numpy is {numpy_version}', "pip install 'numpy<2'"
        )
    else:
        of_torch = ok(f'torch {torch_version}, numpy {numpy_version}')
    return [of_python, of_torch]


def check_devices() -> list[Finding]:
    """Says what torch can run on."""
    import torch

    if torch.cuda.is_available():
        names = ', '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return [ok(f'CUDA {torch.version.cuda}: {names}')]
    if torch.version.cuda:
        return [note(f'torch was built for CUDA {torch.version.cuda}, but sees no device: everything runs on the CPU')]
    return [note('torch was built for the CPU')]


def check_triton(version_text: str | None, load: Callable[[], object]) -> list[Finding]:
    """Checks that an installed Triton imports, with the compiler that its kernels are written in.

    Args:
        version_text: of the installed distribution, or None.
        load: imports it.
    """
    if version_text is None:
        return [note('no triton: the operators run in plain torch')]
    try:
        load()
    except Exception as error:  # a wheel for another Python, driver or libc raises what it will
        return [
            problem(
                f'triton {version_text} does not import: {type(error).__name__}: {flat(error)}',
                'pip install --force-reinstall triton, in the version that your torch names (pip show torch), or '
                'pip uninstall triton: the operators then run in plain torch',
            )
        ]
    return [ok(f'triton {version_text}')]
