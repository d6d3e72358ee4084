"""Looks the installation over and names every problem with its remedy: `freqfusion-mm doctor`.

Every check is a function that takes what it looks at as arguments and returns its findings, so that
a test can show it a broken installation. The exit status is 1 where there is a problem.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec

from ..compat import mmseg_prefix

# import name -> the distributions that bring it, the official stack's before the onedl stack's
OWNERS = {
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmseg': ('mmsegmentation', 'onedl-mmsegmentation'),
    'mmpretrain': ('mmpretrain', 'onedl-mmpretrain'),
}
REBUILD_MMCV = 'MMCV_WITH_OPS=1 pip install --no-build-isolation --no-deps --no-cache-dir --force-reinstall {0}'


@dataclass(frozen=True)
class Finding:
    """One line of the report; `level` is 'ok', 'note' or 'problem', and a problem has a remedy."""

    level: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        return f'{self.level:8}{self.text}' + (f'\n{"":8}-> {self.remedy}' if self.remedy else '')


def installed_owners() -> dict[str, str]:
    """Returns the installed distributions of either stack with their versions."""
    found = {}
    for name in [name for names in OWNERS.values() for name in names]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_python_and_torch(
    python: tuple[int, ...], torch_version: str | None, numpy_version: str | None
) -> list[Finding]:
    """Checks the versions that everything else rests on."""
    shown = '.'.join(map(str, python[:3]))
    findings = [
        Finding('ok', f'python {shown}')
        if python >= (3, 10)
        else Finding('problem', f'python {shown} is too old', 'use Python 3.10 or newer')
    ]
    if torch_version is None:
        return [*findings, Finding('problem', 'torch is missing', 'pip install torch==2.13.0')]
    if _numbers(torch_version) < (2, 1):
        findings.append(Finding('problem', f'torch {torch_version} is too old', 'pip install torch==2.13.0'))
    elif _numbers(torch_version) < (2, 3) and numpy_version and _numbers(numpy_version) >= (2,):
        findings.append(
            Finding(
                'problem',
                f'torch {torch_version} was compiled for numpy 1, but numpy is {numpy_version}',
                "pip install 'numpy<2'",
            )
        )
    else:
        findings.append(Finding('ok', f'torch {torch_version}, numpy {numpy_version}'))
    return findings


def check_stack(installed: Mapping[str, str]) -> list[Finding]:
    """Says which stack is there, and whether two of them lie over each other."""
    if not installed:
        return [
            Finding(
                'note',
                'neither the onedl nor the openmmlab stack: freqfusion_mm.ops and .layers work, the rest does not',
                'tools/setup.sh',
            )
        ]
    findings = []
    for module, names in OWNERS.items():
        owners = [name for name in names if name in installed]
        if len(owners) > 1:
            findings.append(
                Finding(
                    'problem',
                    f'{" and ".join(owners)} both wrote the files of `import {module}`',
                    f'pip uninstall -y {" ".join(owners)}, then install the one you want again',
                )
            )
    stacks = {'onedl' if name.startswith('onedl-') else 'openmmlab' for name in installed}
    shown = ', '.join(f'{name} {number}' for name, number in installed.items())
    if len(stacks) == 2 and not findings:
        findings.append(
            Finding(
                'problem',
                f'parts of both stacks are mixed: {shown}',
                'install all of them from one stack: tools/setup.sh [--stack onedl|openmmlab]',
            )
        )
    elif not findings:
        findings.append(Finding('ok', f'{stacks.pop()} stack: {shown}'))
    mmcv = installed.get('mmcv')
    if mmcv and _numbers(mmcv) >= (2, 2) and {'mmdet', 'mmsegmentation'} & installed.keys():
        findings.append(
            Finding(
                'problem', f'mmdet 3.3 and mmsegmentation 1.2 refuse mmcv {mmcv}', REBUILD_MMCV.format('mmcv==2.1.0')
            )
        )
    return findings


def check_import(module: str, owners: Iterable[str]) -> list[Finding]:
    """Imports a framework and checks that its files are those of the installed distribution."""
    spec = find_spec(module)
    if spec is None:
        return [Finding('note', f'{module} is not installed')]
    homes = [str(distribution(owner).locate_file('')) for owner in owners]
    origin = str(spec.origin or next(iter(spec.submodule_search_locations or ['?'])))
    if homes and not any(origin.startswith(home) for home in homes) and not _editable(owners):
        return [
            Finding(
                'problem',
                f'`import {module}` finds {origin}, not the installed {" ".join(owners)}',
                'start from another folder, or take that one off PYTHONPATH',
            )
        ]
    try:
        import_module(module)
    except Exception as error:  # whatever it is, it is what the user must hear of
        missing = getattr(error, 'name', None) if isinstance(error, ModuleNotFoundError) else None
        return [
            Finding(
                'problem',
                f'`import {module}` fails: {type(error).__name__}: {_flat(error)}',
                f'pip install {missing}' if missing in ('ftfy', 'regex', 'torchmetrics') else 'tools/setup.sh',
            )
        ]
    return []


def check_mmcv_ops(mmcv: tuple[str, str] | None, load: Callable[[], str], cuda_device: bool) -> list[Finding]:
    """Checks mmcv's compiled ops.

    Args:
        mmcv: distribution and version, or None where there is no mmcv.
        load: loads the ops and returns the CUDA version that they were compiled with.
        cuda_device: whether torch sees a device.
    """
    if mmcv is None:
        return []
    remedy = REBUILD_MMCV.format('=='.join(mmcv).replace('mmcv-lite', 'mmcv'))
    try:
        compiled_with = load()
    except ModuleNotFoundError as error:
        return [
            Finding('problem', f'mmcv was installed without its compiled ops ({_flat(error)}): no detection', remedy)
        ]
    except Exception as error:
        return [
            Finding(
                'problem',
                'the compiled ops of mmcv do not load, most likely because they were '
                f'compiled for another torch ({_flat(error)})',
                remedy,
            )
        ]
    if cuda_device and compiled_with == 'not available':
        return [
            Finding(
                'problem',
                "torch sees a CUDA device, but mmcv's ops run on the CPU alone",
                f'install the CUDA toolkit of torch.version.cuda, then FORCE_CUDA=1 {remedy}',
            )
        ]
    return [Finding('ok', f"mmcv's compiled ops, CUDA {compiled_with}")]


def check_setuptools(setuptools: str | None, installed: Mapping[str, str]) -> list[Finding]:
    """Mmengine 0.10.7, mim 0.3 and mmcv's own build import pkg_resources, which setuptools 81 drops."""
    if setuptools and _numbers(setuptools) < (81,) and find_spec('pkg_resources'):
        return [Finding('ok', f'setuptools {setuptools} with pkg_resources')]
    what = f'setuptools {setuptools} has no pkg_resources' if setuptools else 'setuptools is missing'
    level = 'problem' if 'mmengine' in installed else 'note'
    return [Finding(level, f"{what}, which mmengine 0.10.7 and mmcv's build import", "pip install 'setuptools<81'")]


def check_devices() -> list[Finding]:
    """Says what torch can run on."""
    import torch

    if torch.cuda.is_available():
        names = ', '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        findings = [Finding('ok', f'CUDA {torch.version.cuda}: {names}')]
    elif torch.version.cuda:
        findings = [
            Finding(
                'note', f'torch was built for CUDA {torch.version.cuda}, but sees no device: everything runs on the CPU'
            )
        ]
    else:
        findings = [Finding('note', 'torch was built for the CPU')]
    return findings


def check_triton(version_text: str | None, load: Callable[[], object]) -> list[Finding]:
    """Checks that an installed Triton imports, with the compiler that its kernels are written in.

    Args:
        version_text: of the installed distribution, or None.
        load: imports it.
    """
    if version_text is None:
        return [Finding('note', 'no triton: the operators run in plain torch')]
    try:
        load()
    except Exception as error:  # a wheel for another Python, driver or libc raises what it will
        return [
            Finding(
                'problem',
                f'triton {version_text} does not import: {type(error).__name__}: {_flat(error)}',
                'pip install --force-reinstall triton, in the version that your torch names (pip show torch), or '
                'pip uninstall triton: the operators then run in plain torch',
            )
        ]
    return [Finding('ok', f'triton {version_text}')]


def check_mmpretrain(fails: Callable[[str], str]) -> list[Finding]:
    """Checks that mmpretrain's models import, which configs of the frameworks with its backbones need.

    Args:
        fails: runs Python code in a process of its own; returns the last line of its error, empty where there is none.
    """
    error = fails('import mmpretrain.models')
    if not error:
        return [Finding('ok', 'mmpretrain.models imports')]
    remedy = 'install the torchvision that goes with your torch'
    stand_in = 'freqfusion_mm.compat.mmpretrain_imports'
    if fails(f'import {stand_in}'):
        return [Finding('problem', f'`import mmpretrain.models` fails: {error}', remedy)]
    return [
        Finding(
            'note',
            f'`import mmpretrain.models` fails ({error}); our configs import it with a stand-in',
            f"{remedy}, or put '{stand_in}' before 'mmpretrain.models' in the custom_imports of a config",
        )
    ]


def check_mmseg_prefix(needed: bool) -> list[Finding]:
    """Says where `_base_ = ['mmseg::...']` works.

    Args:
        needed: whether mmengine's own table is wrong here (`compat.mmseg_prefix`).
    """
    if not needed:
        return []
    return [
        Finding(
            'note',
            "`_base_ = ['mmseg::...']` works in our commands, but not in the frameworks' own tools, where mmengine "
            'takes mmsegmentation for missing',
            'start with freqfusion-mm train|test, or write '
            "_base_ = [__import__('freqfusion_mm').config_path('mmseg::...')]",
        )
    ]


def check_registered(modules: Mapping[str, object] | None = None) -> list[Finding]:
    """Says what freqfusion_mm registers in mmengine's root registries.

    Args:
        modules: registered name -> class; found by importing `freqfusion_mm.registration` if None.
    """
    if modules is None:
        if find_spec('mmengine') is None:
            return [Finding('note', 'nothing is registered without mmengine')]
        try:
            modules = _registered()
        except Exception as error:
            return [
                Finding(
                    'problem',
                    f'`import freqfusion_mm.registration` fails: {type(error).__name__}: {_flat(error)}',
                    'tools/setup.sh',
                )
            ]
    if not modules:
        return [Finding('problem', 'freqfusion_mm.registration registers nothing', 'install freqfusion_mm again')]
    return [Finding('ok', f'{len(modules)} registered names: {", ".join(sorted(modules))}')]


def check_configs() -> list[Finding]:
    """Says where our configs are."""
    from .config import config_root

    try:
        root = config_root()
    except RuntimeError as error:
        return [Finding('problem', _flat(error), 'pip install --force-reinstall freqfusion-mm')]
    return [Finding('ok', f'{len(list(root.rglob("*.py")))} configs in {root}')]


def examine() -> list[Finding]:
    """Runs every check on this installation."""
    installed = installed_owners()
    torch = _version('torch')
    findings = check_python_and_torch(sys.version_info, torch, _version('numpy')) + check_stack(installed)
    findings += check_setuptools(_version('setuptools'), installed)
    for module, names in OWNERS.items():
        owners = [name for name in names if name in installed]
        if owners or find_spec(module):
            findings += check_import(module, owners)
    if torch:
        import torch as imported

        mmcv = next(((name, installed[name]) for name in OWNERS['mmcv'] if name in installed), None)
        findings += check_mmcv_ops(mmcv, _load_ops, imported.cuda.is_available())
        findings += check_devices() + check_triton(_version('triton'), _load_triton) + check_registered()
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


def _registered() -> dict[str, object]:
    from mmengine import registry

    import_module('freqfusion_mm.registration')
    roots = [value for value in vars(registry).values() if isinstance(value, registry.Registry)]
    return {
        name: cls
        for root in roots
        for name, cls in root.module_dict.items()
        if getattr(cls, '__module__', '').startswith('freqfusion_mm.')
    }


def _editable(owners: Iterable[str]) -> bool:
    return any('"editable": true' in (distribution(owner).read_text('direct_url.json') or '') for owner in owners)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(version_text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r'\d+', version_text.partition('+')[0])[:3])


def _flat(error: BaseException) -> str:
    return ' '.join(str(error).split())[:300]
