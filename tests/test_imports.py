"""Imports run one way, and the lower rooms need torch alone."""

import ast
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'freqfusion_mm'
#: A room imports from rooms of its own number and below.
ORDER = {
    'ops': 0,
    'layers': 1,
    'datasets': 2,
    'engine': 2,
    'evaluation': 2,
    'models': 2,
    'visualization': 2,
    'compat': 3,
    'apis': 3,
    'registration': 3,
    'cli': 4,
}
#: What a file may import beside the package itself and the standard library.
ALLOWED = {'ops': {'torch', 'triton'}, 'layers': {'torch'}}


def imports(file):
    """Absolute names of the modules that a file imports, inside functions too."""
    parts = file.relative_to(ROOT).with_suffix('').parts
    package = parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += [node.module] if node.module else []
            for alias in node.names:  # `from . import compat` names a module, `from .compat import apply` does not
                yield '.'.join([*base, alias.name])


def files():
    for file in sorted(PACKAGE.rglob('*.py')):
        room = file.relative_to(PACKAGE).with_suffix('').parts[0]
        if room in ORDER:
            yield room, file


def test_every_room_has_its_place():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / '__init__.py').exists()}
    assert rooms <= set(ORDER)


def test_no_import_runs_upward():
    upward = []
    for room, file in files():
        for name in imports(file):
            top, *below = name.split('.')
            if top == 'freqfusion_mm' and below and ORDER.get(below[0], 0) > ORDER[room]:
                upward.append(f'{file.relative_to(ROOT)}: {name}')
    assert not upward


def test_operators_and_layers_need_torch_alone():
    foreign = []
    for room, file in files():
        if room in ALLOWED:
            for name in imports(file):
                top = name.split('.')[0]
                if top not in {'freqfusion_mm', *ALLOWED[room], *sys.stdlib_module_names}:
                    foreign.append(f'{file.relative_to(ROOT)}: {name}')
    assert not foreign


def test_the_package_alone_and_finding_a_config_import_the_standard_library():
    code = (
        'import sys, freqfusion_mm; freqfusion_mm.config_path("default_runtime"); '
        'print(*(name for name in ("torch", "numpy", "mmengine", "cv2", "PIL") if name in sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ''


def test_the_doctor_needs_nothing_that_it_may_find_missing():
    """Where torch is missing or broken, it has to say so; and what it shares with the commands must not import it."""
    code = (
        'import sys, freqfusion_mm.cli.errors, freqfusion_mm.cli.doctor, freqfusion_mm.apis.installation; '
        'print(*(name for name in ("torch", "mmengine", "numpy", "cv2") if name in sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ''


def test_every_module_imports_unless_a_framework_is_missing():
    """One that does not has its doctests skipped, so that nobody else would tell."""
    for _, file in files():
        name = '.'.join(file.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            missing = (error.name or '').partition('.')[0]
            assert missing != 'freqfusion_mm' and find_spec(missing) is None, f'{name}: {error}'
