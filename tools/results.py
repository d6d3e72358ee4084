#!/usr/bin/env python
"""Runs studies and metafiles, and makes their tables and plots: python tools/results.py --help."""

from freqfusion_mm.cli.results import main

if __name__ == '__main__':
    main()
