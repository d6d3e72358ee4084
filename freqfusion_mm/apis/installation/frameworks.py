"""Checks of mmengine, mmcv, mmdet, mmsegmentation and mmpretrain: which stack, whether it imports, what is compiled."""

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.metadata import distribution
from importlib.util import find_spec

from .finding import Finding, flat, installed_version, note, numbers, ok, problem

# import name -> the distributions that bring it, the official stack's before the onedl stack's
OWNERS = {
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmseg': ('mmsegmentation', 'onedl-mmsegmentation'),
    'mmpretrain': ('mmpretrain', 'onedl-mmpretrain'),
}
_REBUILD_MMCV = 'MMCV_WITH_OPS=1 pip install --no-build-isolation --no-deps --no-cache-dir --force-reinstall {0}'


def installed_owners() -> dict[str, str]:
    """Returns the installed distributions of either stack with their versions."""
    found = {name: installed_version(name) for names in OWNERS.values() for name in names}
    return {name: version for name, version in found.items() if version is not None}


def check_stack(installed: Mapping[str, str]) -> list[Finding]:
    """Says which stack is there, and whether two of them lie over each other."""
    if not installed:
        return [
            note(
                'neither the onedl nor the openmmlab stack: freqfusion_mm.ops and .layers work, the rest does not',
                'tools/setup.sh',
            )
        ]
    findings = []
    for module, names in OWNERS.items():
        owners = [name for name in names if name in installed]
        if len(owners) > 1:
            findings.append(
                problem(
                    f'{" and ".join(owners)} both wrote the files of `import {module}`',
                    f'pip uninstall -y {" ".join(owners)}, then install the one you want again',
                )
            )
    stacks = {'onedl' if name.startswith('onedl-') else 'openmmlab' for name in installed}
    shown = ', '.join(f'{name} {version}' for name, version in installed.items())
    if len(stacks) == 2 and not findings:
        findings.append(
            problem(
                f'parts of both stacks are mixed: {shown}',
                'install all of them from one stack: tools/setup.sh [--stack onedl|openmmlab]',
            )
        )
    elif not findings:
        findings.append(ok(f'{stacks.pop()} stack: {shown}'))
    mmcv = installed.get('mmcv')
    if mmcv and numbers(mmcv) >= (2, 2) and {'mmdet', 'mmsegmentation'} & installed.keys():
        findings.append(
            problem(f'mmdet 3.3 and mmsegmentation 1.2 refuse mmcv {mmcv}', _REBUILD_MMCV.format('mmcv==2.1.0'))
        )
    return findings


def check_import(module: str, owners: Iterable[str]) -> list[Finding]:
    """Imports a framework and checks that its files are those of the installed distribution."""
    spec = find_spec(module)
    if spec is None:
        return [note(f'{module} is not installed')]
    homes = [str(distribution(owner).locate_file('')) for owner in owners]
    origin = str(spec.origin or next(iter(spec.submodule_search_locations or ['?'])))
    if homes and not any(origin.startswith(home) for home in homes) and not _editable(owners):
        return [
            problem(
                f'`import {module}` finds {origin}, not the installed {" ".join(owners)}',
                'start from another folder, or take that one off PYTHONPATH',
            )
        ]
    try:
        import_module(module)
    except Exception as error:  # whatever it is, it is what the user must hear of
        missing = getattr(error, 'name', None) if isinstance(error, ModuleNotFoundError) else None
        return [
            problem(
                f'`import {module}` fails: {type(error).__name__}: {flat(error)}',
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
    remedy = _REBUILD_MMCV.format('=='.join(mmcv).replace('mmcv-lite', 'mmcv'))
    try:
        compiled_with = load()
    except ModuleNotFoundError as error:
        return [problem(f'mmcv was installed without its compiled ops ({flat(error)}): no detection', remedy)]
    except Exception as error:
        return [
            problem(
                'the compiled ops of mmcv do not load, most likely because they were '
                f'compiled for another torch ({flat(error)})',
                remedy,
            )
        ]
    if cuda_device and compiled_with == 'not available':
        return [
            problem(
                "torch sees a CUDA device, but mmcv's ops run on the CPU alone",
                f'install the CUDA toolkit of torch.version.cuda, then FORCE_CUDA=1 {remedy}',
            )
        ]
    return [ok(f"mmcv's compiled ops, CUDA {compiled_with}")]


def check_setuptools(setuptools: str | None, installed: Mapping[str, str]) -> list[Finding]:
    """Mmengine 0.10.7, mim 0.3 and mmcv's own build import pkg_resources, which setuptools 82 drops."""
    if setuptools and find_spec('pkg_resources'):
        return [ok(f'setuptools {setuptools} with pkg_resources')]
    what = f'setuptools {setuptools} has no pkg_resources' if setuptools else 'setuptools is missing'
    level = 'problem' if 'mmengine' in installed else 'note'
    return [Finding(level, f"{what}, which mmengine 0.10.7 and mmcv's build import", "pip install 'setuptools<82'")]


def check_mmpretrain(fails: Callable[[str], str]) -> list[Finding]:
    """Checks that mmpretrain's models import, which configs of the frameworks with its backbones need.

    Args:
        fails: runs Python code in a process of its own; returns the last line of its error, empty where there is none.
    """
    error = fails('import mmpretrain.models')
    if not error:
        return [ok('mmpretrain.models imports')]
    remedy = 'install the torchvision that goes with your torch'
    stand_in = 'freqfusion_mm.compat.mmpretrain_imports'
    if fails(f'import {stand_in}'):
        return [problem(f'`import mmpretrain.models` fails: {error}', remedy)]
    return [
        note(
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
        note(
            "`_base_ = ['mmseg::...']` works in our commands, but not in the frameworks' own tools, where mmengine "
            'takes mmsegmentation for missing',
            'start with freqfusion-mm train|test, or write '
            "_base_ = [__import__('freqfusion_mm').config_path('mmseg::...')]",
        )
    ]


def _editable(owners: Iterable[str]) -> bool:
    origins = (json.loads(distribution(owner).read_text('direct_url.json') or '{}') for owner in owners)
    return any(origin.get('dir_info', {}).get('editable') for origin in origins)
