"""Installing and finding: pins and extras agree, configs are found by name, prefixes resolve, mim finds us."""

import configparser
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import freqfusion_mm
from freqfusion_mm import compat
from freqfusion_mm.apis.config import config_root

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    return parser


def requirements(lines: str) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines.splitlines() if line.strip()]
    return {requirement.name: requirement for requirement in found}


def test_no_framework_is_required(cfg: configparser.ConfigParser) -> None:
    assert set(requirements(cfg['options']['install_requires'])) == {'torch'}


@pytest.mark.parametrize('stack', ['onedl', 'openmmlab'])
def test_the_tested_versions_satisfy_the_extra(cfg: configparser.ConfigParser, stack: str) -> None:
    extra = requirements(cfg['options.extras_require'][stack])
    script = (ROOT / 'tools/setup.sh').read_text()
    block = re.search(rf'^    {stack}\)(.*?);;', script, re.M | re.S)[1]
    pins = dict(re.findall(r'([\w-]+)==([\d.]+)', block))
    frameworks = [name for name in extra if 'mm' in name]
    assert len(frameworks) == 4
    for name in frameworks:
        assert extra[name].specifier.contains(pins[name]), f'{name}=={pins[name]} against {extra[name]}'


def test_an_activated_environment_is_made_anew_with_the_python_below_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'venv'], check=True)
    script = (ROOT / 'tools/setup.sh').read_text()
    find_python = re.search(r'^find_python\(\) \{.*?^\}$', script, re.M | re.S)[0]
    version = '.'.join(map(str, sys.version_info[:2]))
    env = dict(os.environ, PATH=f'{tmp_path}/venv/bin{os.pathsep}{os.environ["PATH"]}', pythons=version)
    env.pop('PYTHON', None)
    found = subprocess.check_output(['bash', '-c', f'{find_python}\nfind_python'], text=True, env=env).strip()
    assert not Path(found).is_relative_to(tmp_path) and Path(found).exists()
    code = 'import sys; print(sys.prefix == sys.base_prefix, "%d.%d" % sys.version_info[:2])'
    assert subprocess.check_output([found, '-c', code], text=True).split() == ['True', version]


def test_config_file_names_are_unique() -> None:
    """mim searches a checkout by base name and refuses a name that it finds twice."""
    names = Counter(
        path.name
        for folder in ('configs', 'projects')
        for path in (ROOT / folder).rglob('*.py')
        if 'configs' in path.parts
    )
    assert len(names) > 400 and not [name for name, count in names.items() if count > 1]


def test_config_path_by_name_and_by_path() -> None:
    wanted = str(config_root() / '_base_' / 'default_runtime.py')
    for name in ('default_runtime', 'default_runtime.py', '_base_/default_runtime.py', '_base_/default_runtime'):
        assert freqfusion_mm.config_path(name) == wanted


def test_config_path_names_the_nearest() -> None:
    with pytest.raises(ValueError, match='default_runtime.py'):
        freqfusion_mm.config_path('default_runtme')
    with pytest.raises(ValueError, match=r'no config is called .*, and here it is no file; the nearest are'):
        freqfusion_mm.config_path('_base_/gone.py')


def test_our_prefix_builds_the_frameworks_parts(tmp_path: Path) -> None:
    """A base of ours adds no scope, so that `type` names keep resolving in mmseg and mmdet."""
    Config = pytest.importorskip('mmengine.config').Config
    compat.apply()
    compat.apply()
    file = tmp_path / 'mine.py'
    file.write_text("_base_ = ['freqfusion_mm::_base_/default_runtime.py']\nmine = dict(type='Mine')\n")
    cfg = Config.fromfile(file)
    assert cfg.mine == dict(type='Mine')
    assert cfg.default_scope == 'mmseg' and '_scope_' not in cfg.pretty_text


@pytest.mark.parametrize(
    'module, base',
    [
        ('mmseg', 'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'),
        ('mmdet', 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
    ],
)
def test_the_frameworks_prefixes(tmp_path: Path, module: str, base: str) -> None:
    pytest.importorskip(module)
    from mmengine.config import Config

    compat.apply()
    file = tmp_path / 'theirs.py'
    file.write_text(f"_base_ = ['{module}::{base}']\n")
    assert Config.fromfile(file).model._scope_ == module


@pytest.mark.slow
def test_mim_finds_an_editable_install(tmp_path: Path) -> None:
    """onedl-mim takes the checkout for the package's root, and looks below it for tools and configs."""
    code = (
        'from importlib.metadata import distribution; from mim.utils import get_installed_path; '
        "distribution('onedl-mim'); print(get_installed_path('freqfusion_mm'))"
    )
    run = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != 'PYTHONPATH'},
    )
    if run.returncode or Path(run.stdout.strip()) != ROOT:
        pytest.skip('onedl-mim and an editable install of this checkout are wanted: tools/setup.sh makes both')
    from mim.utils import recursively_find

    for file in ('tools/train.py', 'tools/test.py', 'model-index.yml'):
        assert (ROOT / file).is_file()
    found = recursively_find(str(ROOT), 'faster-rcnn_r50_freqfusion_1x_coco.py', followlinks=True)
    assert len(found) == 1, found


@pytest.mark.slow
def test_a_wheel_carries_what_mim_looks_for(tmp_path: Path) -> None:
    build = subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '-q', '-w', tmp_path, ROOT],
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr
    (wheel,) = tmp_path.glob('*.whl')
    names = zipfile.ZipFile(wheel).namelist()
    mim = 'freqfusion_mm/.mim/'
    for file in ('model-index.yml', 'tools/train.py', 'tools/test.py', 'configs/_base_/default_runtime.py'):
        assert mim + file in names
    configs = [name for name in names if name.startswith(f'{mim}configs/') and name.endswith('.py')]
    assert len(configs) == len(list((ROOT / 'configs').rglob('*.py')))
    assert not [name for name in names if name.startswith(('tests/', 'configs/', 'tools/'))]
