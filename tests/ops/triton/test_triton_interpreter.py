import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get('TRITON_INTERPRET') == '1', reason='runs in the interpreter already')
def test_all_kernels_on_the_cpu_in_tritons_interpreter(needs_triton):
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', str(HERE)]
    env = {**os.environ, 'TRITON_INTERPRET': '1', 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    result = subprocess.run(command, cwd=HERE.parents[2], env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.search(r'(\d+) passed', result.stdout)[1]) > 20, result.stdout
