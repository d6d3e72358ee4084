#!/usr/bin/env python
"""`python tools/test.py ...` is `freqfusion-mm test ...`; mim looks for it here."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['test', *sys.argv[1:]]))
