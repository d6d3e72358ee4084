#!/usr/bin/env python
"""`python tools/compare_upsamplers.py ...` is `freqfusion-mm compare ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['compare', *sys.argv[1:]]))
