#!/usr/bin/env python
"""`python tools/train.py ...` is `freqfusion-mm train ...`; mim looks for it here."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['train', *sys.argv[1:]]))
