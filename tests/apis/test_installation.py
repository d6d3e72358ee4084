"""The doctor, shown broken installations: each check names the problem and a remedy, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from freqfusion_mm.apis import installation as doctor
from freqfusion_mm.apis.installation import frameworks

ONEDL = {
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmdetection': '3.5.1',
    'onedl-mmsegmentation': '1.4.2',
}
OPENMMLAB = {'mmengine': '0.10.7', 'mmcv': '2.1.0', 'mmdet': '3.3.0', 'mmsegmentation': '1.2.2'}


def problems(findings: list[doctor.Finding]) -> list[doctor.Finding]:
    found = [finding for finding in findings if finding.level == 'problem']
    assert all(finding.remedy for finding in found), 'a problem without a remedy'
    return found


@pytest.mark.parametrize('stack', [ONEDL, OPENMMLAB], ids=['onedl', 'openmmlab'])
def test_one_whole_stack_is_well(stack: dict[str, str]) -> None:
    assert not problems(doctor.check_stack(stack))
    assert ('onedl' in doctor.check_stack(stack)[0].text) == (stack is ONEDL)


def test_no_stack_is_a_note() -> None:
    (finding,) = doctor.check_stack({})
    assert finding.level == 'note' and 'freqfusion_mm.ops' in finding.text


def test_two_stacks_over_each_other() -> None:
    found = problems(doctor.check_stack(ONEDL | {'mmengine': '0.10.7'}))
    assert len(found) == 1 and 'mmengine and onedl-mmengine' in found[0].text
    assert 'pip uninstall -y mmengine onedl-mmengine' in found[0].remedy


def test_parts_of_two_stacks() -> None:
    found = problems(doctor.check_stack({'onedl-mmengine': '0.10.12', 'mmcv': '2.1.0'}))
    assert len(found) == 1 and 'mixed' in found[0].text


def test_mmcv_that_the_frameworks_refuse() -> None:
    found = problems(doctor.check_stack(OPENMMLAB | {'mmcv': '2.2.0'}))
    assert len(found) == 1 and 'mmcv==2.1.0' in found[0].remedy


@pytest.mark.parametrize(
    'python, torch, numpy, said',
    [
        ((3, 9, 1), '2.13.0', '2.2.6', 'python 3.9.1'),
        ((3, 11, 7), '1.13.1', '1.26.4', 'torch 1.13.1'),
        ((3, 11, 7), None, None, 'torch is missing'),
        ((3, 10, 13), '2.1.2', '2.2.6', 'compiled for numpy 1'),
    ],
)
def test_versions_that_do_not_do(python: tuple, torch: str, numpy: str, said: str) -> None:
    (found,) = problems(doctor.check_python_and_torch(python, torch, numpy))
    assert said in found.text


@pytest.mark.parametrize('torch, numpy', [('2.13.0+cpu', '2.2.6'), ('2.1.2', '1.26.4')])
def test_versions_that_do(torch: str, numpy: str) -> None:
    assert not problems(doctor.check_python_and_torch((3, 10, 0), torch, numpy))


def test_setuptools_without_pkg_resources(monkeypatch) -> None:
    monkeypatch.setattr(frameworks, 'find_spec', lambda name: object())
    assert not problems(doctor.check_setuptools('81.0', OPENMMLAB))  # the last that has it
    monkeypatch.setattr(frameworks, 'find_spec', lambda name: None)
    assert problems(doctor.check_setuptools('82.0', OPENMMLAB))
    (note,) = doctor.check_setuptools('82.0', ONEDL)  # only building mmcv needs it there
    assert note.level == 'note' and 'setuptools<82' in note.remedy


def raises(error: Exception):
    def load() -> str:
        raise error

    return load


def test_mmcv_ops() -> None:
    mmcv = ('onedl-mmcv', '2.3.6')
    assert doctor.check_mmcv_ops(None, raises(RuntimeError()), False) == []
    assert not problems(doctor.check_mmcv_ops(mmcv, lambda: 'not available', False))
    for load, device, said in [
        (raises(ModuleNotFoundError("No module named 'mmcv._ext'")), False, 'without its compiled ops'),
        (raises(ImportError('undefined symbol: _ZN5torch')), False, 'another torch'),
        (lambda: 'not available', True, 'on the CPU alone'),
    ]:
        (found,) = problems(doctor.check_mmcv_ops(mmcv, load, device))
        assert said in found.text and 'MMCV_WITH_OPS=1' in found.remedy and 'onedl-mmcv==2.3.6' in found.remedy


def test_another_package_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'shadowed_framework.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        frameworks,
        'distribution',
        lambda name: SimpleNamespace(locate_file=lambda path: '/somewhere/else', read_text=lambda name: None),
    )
    (found,) = problems(doctor.check_import('shadowed_framework', ['its-distribution']))
    assert str(tmp_path) in found.text and 'PYTHONPATH' in found.remedy


def test_a_framework_that_does_not_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'needs_ftfy.py').write_text("raise ModuleNotFoundError('no ftfy', name='ftfy')")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = problems(doctor.check_import('needs_ftfy', []))
    assert found.remedy == 'pip install ftfy'


def test_a_broken_triton() -> None:
    for error in (ImportError('libcuda.so.1'), RuntimeError('a driver of 1999'), AttributeError('language')):
        (found,) = problems(doctor.check_triton('3.1.0', raises(error)))
        assert str(error) in found.text and 'pip uninstall triton' in found.remedy
    assert not problems(doctor.check_triton('3.1.0', lambda: None)) and not problems(
        doctor.check_triton(None, raises(error))
    )


def test_an_mmpretrain_that_does_not_import() -> None:
    assert doctor.check_mmpretrain(lambda code: '')[0].level == 'ok'
    (note,) = doctor.check_mmpretrain(lambda code: 'no torchvision' if 'models' in code else '')
    assert note.level == 'note' and 'no torchvision' in note.text and 'compat.mmpretrain_imports' in note.remedy
    (found,) = problems(doctor.check_mmpretrain(lambda code: 'no rich'))
    assert 'no rich' in found.text


def test_where_the_prefix_of_mmseg_works() -> None:
    assert doctor.check_mmseg_prefix(False) == []
    (note,) = doctor.check_mmseg_prefix(True)
    assert note.level == 'note' and 'freqfusion-mm train' in note.remedy and 'config_path' in note.remedy


def test_registered_names() -> None:
    assert problems(doctor.check_registered({}))
    (finding,) = doctor.check_registered({'FusionFPN': object})
    assert finding.level == 'ok' and 'FusionFPN' in finding.text


@pytest.mark.slow
def test_this_installation() -> None:
    """Whatever it finds here, it says it in lines and in the exit status."""
    run = subprocess.run(
        [sys.executable, '-m', 'freqfusion_mm', 'doctor'],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    lines = run.stdout.splitlines()
    assert run.returncode == any(line.startswith('problem') for line in lines), run.stderr
    assert any(line.startswith('ok      python') for line in lines)
    assert (lines[-1] == 'all is well') == (run.returncode == 0)


@pytest.mark.slow
def test_a_torch_that_does_not_import_is_one_problem_among_the_findings(tmp_path: Path) -> None:
    (tmp_path / 'torch').mkdir()
    (tmp_path / 'torch/__init__.py').write_text('raise ImportError("libcudart.so.12: cannot open shared object file")')
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, '-m', 'freqfusion_mm', 'doctor'],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), str(root)])),
    )
    assert run.returncode == 1 and 'Traceback' not in run.stderr, run.stderr
    assert 'does not import: libcudart.so.12' in run.stdout and 'configs in' in run.stdout


@pytest.mark.parametrize(
    'text', ['{"dir_info": {"editable": true}}', '{"dir_info":{"editable":true},"url":"file:///a"}']
)
def test_editable_in_any_spelling(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    origin = SimpleNamespace(read_text=lambda name: text)
    monkeypatch.setattr(frameworks, 'distribution', lambda name: origin)
    assert frameworks._editable(['a'])
    for other in (None, '{"dir_info": {}}', '{"vcs_info": {}}'):
        origin.read_text = lambda name, other=other: other
        assert not frameworks._editable(['a'])
