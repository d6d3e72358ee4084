#!/usr/bin/env python
"""`python tools/side_by_side.py ...` is `freqfusion-mm side-by-side ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['side-by-side', *sys.argv[1:]]))
