#!/usr/bin/env python
"""`python tools/gridding.py ...` is `freqfusion-mm gridding ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['gridding', *sys.argv[1:]]))
