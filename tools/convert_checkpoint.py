#!/usr/bin/env python
"""`python tools/convert_checkpoint.py ...` is `freqfusion-mm convert ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['convert', *sys.argv[1:]]))
