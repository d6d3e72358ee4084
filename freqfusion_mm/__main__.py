"""`python -m freqfusion_mm train|test|config|doctor ...`: the tools, wherever the package lies.

It needs neither mim nor a checkout: an installed package carries the tools inside.
"""

import runpy
import sys
from pathlib import Path

from .apis.config import config_path, config_root

USAGE = """python -m freqfusion_mm train CONFIG [options]             train; -h shows the options
python -m freqfusion_mm test CONFIG CHECKPOINT [options]   evaluate; -h shows the options
python -m freqfusion_mm config NAME                        print the path of one of our configs
python -m freqfusion_mm doctor                             look the installation over"""


def main() -> None:
    """Runs the command that the arguments name."""
    command, arguments = (sys.argv[1:2] or [''])[0], sys.argv[2:]
    if command in ('train', 'test'):
        script: Path = config_root().parent / 'tools' / f'{command}.py'
        sys.argv = [f'python -m freqfusion_mm {command}', *arguments]
        runpy.run_path(str(script), run_name='__main__')
    elif command == 'config' and len(arguments) == 1:
        try:
            print(config_path(arguments[0]))
        except ValueError as error:
            raise SystemExit(f'error: {error}') from None
    elif command == 'doctor' and not arguments:
        from .cli.doctor import main as doctor

        raise SystemExit(doctor())
    else:
        raise SystemExit(f'wanted:\n{USAGE}')


if __name__ == '__main__':
    main()
