#!/usr/bin/env python
"""`python tools/pack.py ...` is `freqfusion-mm pack ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['pack', *sys.argv[1:]]))
