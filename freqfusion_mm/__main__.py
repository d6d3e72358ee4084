"""`python -m freqfusion_mm COMMAND ...` is `freqfusion-mm COMMAND ...`."""

from .cli.main import main

if __name__ == '__main__':
    raise SystemExit(main())
