#!/usr/bin/env python
"""`python tools/infer.py ...` is `freqfusion-mm infer ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['infer', *sys.argv[1:]]))
