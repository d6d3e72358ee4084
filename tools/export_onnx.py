#!/usr/bin/env python
"""`python tools/export_onnx.py ...` is `freqfusion-mm export ...`."""

import sys

from freqfusion_mm.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main(['export', *sys.argv[1:]]))
