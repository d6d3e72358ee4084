"""A process that does jobs: reads a name a line, writes what was found as JSON a line.

A kernel can end the process that launched it, or leave its CUDA context broken, so the checks do not run in the one
that counts.
"""

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path
from textwrap import shorten

from .hardware import machine
from .jobs import jobs
from .launches import Launches, lost_device


def found(name: str, job, on, launches: Launches) -> dict:
    try:
        return job(on, launches)
    except Exception as error:
        launched = launches.last
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if 'freqfusion_mm/' in frame.filename]
        where = f' at {frames[-1].filename.rpartition("freqfusion_mm/")[2]}:{frames[-1].lineno}' if frames else ''
        return dict(
            status='failed',
            why=f'{type(error).__name__}{where}: {shorten(str(error), 600)}',
            arguments=launched,
            kernels=list(launches.names),
            lost=lost_device(error),
            traceback=traceback.format_exc()[-4000:],
        )


def main() -> None:
    cpu, path = sys.argv[1] == 'cpu', Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # what libraries print is no answer
    launches, known, on = Launches(path), jobs(cpu), machine(cpu)
    for line in sys.stdin:
        name = line.strip()
        launches.clear()
        answer = found(name, known[name], on, launches)
        if not answer.get('lost'):
            with contextlib.suppress(Exception):  # the next job says it, if it matters
                on.synchronize()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == '__main__':
    main()
