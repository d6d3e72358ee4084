#!/usr/bin/env python
"""`python tools/feature_similarity.py ...` is `freqfusion-mm similarity ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['similarity', *sys.argv[1:]]))
