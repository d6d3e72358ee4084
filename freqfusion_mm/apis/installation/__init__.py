"""Looks the installation over and names every problem with its remedy: `freqfusion-mm doctor`.

Every check is a function that takes what it looks at as arguments and returns its findings, so that
a test can show it a broken installation. The exit status is 1 where there is a problem.
"""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

from ...compat import mmseg_prefix
from .finding import Finding, flat, installed_version, problem
from .foundation import check_devices, check_python_and_torch, check_triton
from .frameworks import (
    OWNERS,
    check_import,
    check_mmcv_ops,
    check_mmpretrain,
    check_mmseg_prefix,
    check_setuptools,
    check_stack,
    installed_owners,
)
from .package import check_configs, check_registered


def examine() -> list[Finding]:
    """Runs every check on this installation."""
    installed = installed_owners()
    torch = installed_version('torch')
    findings = check_python_and_torch(sys.version_info, torch, installed_version('numpy')) + check_stack(installed)
    findings += check_setuptools(installed_version('setuptools'), installed)
    for module, names in OWNERS.items():
        owners = [name for name in names if name in installed]
        if owners or find_spec(module):
            findings += check_import(module, owners)
    try:
        import torch as imported
    except Exception as error:  # a broken one may raise anything
        if torch:
            reason = flat(error) or type(error).__name__
            findings.append(problem(f'torch {torch} does not import: {reason}', 'install it anew, see pytorch.org'))
            torch = None
    if torch:
        mmcv = next(((name, installed[name]) for name in OWNERS['mmcv'] if name in installed), None)
        findings += check_mmcv_ops(mmcv, _load_ops, imported.cuda.is_available())
        findings += check_devices() + check_triton(installed_version('triton'), _load_triton) + check_registered()
    if find_spec('mmpretrain') and torch:
        findings += check_mmpretrain(_fails)
    if find_spec('mmengine'):
        findings += check_mmseg_prefix(mmseg_prefix.is_needed())
    return findings + check_configs()


def report() -> int:
    """Prints the report; returns the exit status."""
    findings = examine()
    print('\n'.join(map(str, findings)))
    problems = sum(finding.level == 'problem' for finding in findings)
    print(f'{problems} problem{"s" * (problems != 1)} found' if problems else 'all is well')
    return min(problems, 1)


def _load_ops() -> str:
    return import_module('mmcv.ops').get_compiling_cuda_version()


def _load_triton() -> object:
    import_module('triton')
    return import_module('triton.language')


def _fails(code: str) -> str:
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    return '' if done.returncode == 0 else (done.stderr.strip().splitlines() or ['no message'])[-1]
