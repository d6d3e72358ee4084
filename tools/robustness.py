#!/usr/bin/env python
"""`python tools/robustness.py ...` is `freqfusion-mm robustness ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['robustness', *sys.argv[1:]]))
