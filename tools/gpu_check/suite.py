"""The project's own tests of the kernels, by pytest in a process of its own."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
#: The kernels on the device; `test_triton_compile.py` compiles for other devices, and needs none.
TESTS = ['tests/ops/triton', '--ignore=tests/ops/triton/test_triton_compile.py']


def run(seconds: float, cpu: bool) -> dict[str, dict]:
    """Every test by name, with its status; a rehearsal runs one file of them, in Triton's interpreter."""
    if not (ROOT / 'tests').is_dir():
        return {'tests': dict(status='skipped', why='they lie in the repository, not in an installed package')}
    tests = ['tests/ops/triton/test_triton_doors.py'] if cpu else TESTS
    env = dict(os.environ, **(dict(TRITON_INTERPRET='1') if cpu else {}))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / 'tests.xml'
        command = [sys.executable, '-m', 'pytest', '-v', '-p', 'no:cacheprovider', f'--junitxml={written}', *tests]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            ended = _ended((error.stdout or b'').decode(errors='replace'))
            why = f'no end within {seconds:.0f} s, {len(ended)} tests had ended'
            return {**ended, 'tests': dict(status='failed', why=why)}
        if not written.exists():
            words = ' '.join((done.stderr or done.stdout)[-600:].split())
            return {'tests': dict(status='failed', why=f'pytest ended with {done.returncode}: {words}')}
        found = {}
        for case in ElementTree.parse(written).iter('testcase'):
            outcome = next((each for each in case if each.tag in ('failure', 'error', 'skipped')), None)
            status = dict(failure='failed', error='failed', skipped='skipped').get(
                getattr(outcome, 'tag', ''), 'passed'
            )
            name = f'tests {case.get("classname", "").rpartition(".")[2]}: {case.get("name")}'
            found[name] = dict(status=status, why='', arguments=case.get('name'), seconds=float(case.get('time', 0)))
            if outcome is not None:
                text = outcome.get('message') or ''
                found[name]['why'] = re.sub(r'\s+', ' ', text)[:600]
                if status == 'failed':
                    found[name]['traceback'] = (outcome.text or '')[-4000:]
        return found or {'tests': dict(status='failed', why='pytest collected nothing')}


def _ended(said: str) -> dict[str, dict]:
    """The tests that had ended, by what pytest said while it ran: its file is written at the end alone."""
    found = {}
    for file, name, outcome in re.findall(r'^(\S+)\.py::(.+?) (PASSED|FAILED|ERROR|SKIPPED)\b', said, re.MULTILINE):
        status = 'failed' if outcome == 'ERROR' else outcome.lower()
        why = 'see its own run' if status == 'failed' else ''
        found[f'tests {file.rpartition("/")[2]}: {name}'] = dict(status=status, why=why, arguments=name)
    return found
