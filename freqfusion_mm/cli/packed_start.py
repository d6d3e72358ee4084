"""Begins what `freqfusion-mm pack` packed: `python PACKED.zip train`, or any other command of `freqfusion-mm`.

The archive is unpacked beside itself the first time, and runs in that folder; another archive of that name refuses to.
Where a command wants a config, `config.py` is the packed one; without one, `train` takes it.
"""

import os
import shutil
import sys
from hashlib import sha256
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

#: In the unpacked folder, the digest of the archive that it came from.
SEAL = 'packed.sha256'
#: Modules that were left behind, being compiled: they can be imported, for frameworks import more than they use.
STAND_INS = ()


class _StandIn(ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)

        def refuse(*args, **options):
            if name == 'compile':  # patterns, on import
                return _StandIn(f'{self.__name__}.compile()')
            raise ModuleNotFoundError(
                f'{self.__name__}.{name}: not on this machine, and not packed, for it is compiled'
            )

        return refuse


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name, path=None, target=None):
        # Below a package that is installed, what is missing stays missing: it asks for that to choose another way.
        below = isinstance(sys.modules.get(name.partition('.')[0]), _StandIn)
        return ModuleSpec(name, self, is_package=True) if below or name in STAND_INS else None

    def create_module(self, spec):
        return _StandIn(spec.name)

    def exec_module(self, module):
        pass


def main() -> int:
    """Unpacks where that was not done, and runs the command."""
    sys.path[:] = [each for each in sys.path if not each.endswith('.zip')]  # relative to the folder left below
    here = Path(__file__).resolve().parent
    if here.is_file():
        folder = here.with_suffix('')
        packed, seal = sha256(here.read_bytes()).hexdigest(), folder / SEAL
        if not folder.exists():
            draft = folder.with_name(f'.{folder.name}.{os.getpid()}')
            try:
                with ZipFile(here) as archive:
                    archive.extractall(draft)
                (draft / SEAL).write_text(packed)
                draft.rename(folder)  # the last: what has the name is whole
            except OSError:
                if not folder.exists():  # or another process unpacked it meanwhile
                    raise
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        if not seal.exists() or seal.read_text() != packed:
            sys.exit(
                f'error: {folder} was not unpacked from {here}: move the folder away, or give the file another name'
            )
    else:
        folder = here
    os.chdir(folder)
    sys.path[:0] = [str(folder), str(folder / 'site')]
    sys.meta_path.append(_Finder())  # the last: what is installed comes first
    arguments = sys.argv[1:] or ['-h']
    if arguments[0] == 'train' and (not arguments[1:] or arguments[1].startswith('-')):
        arguments.insert(1, 'config.py')
    from freqfusion_mm.cli.main import main as run

    return run(arguments)


if __name__ == '__main__':
    sys.exit(main())
