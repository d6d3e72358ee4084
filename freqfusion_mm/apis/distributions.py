"""Which installed distributions a training run needs on a machine with torch alone."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

#: What a machine has that can train: these distributions, with what they need themselves.
THERE = ('torch', 'numpy', 'opencv-python', 'opencv-python-headless', 'matplotlib', 'pillow')
#: What is brought, with what they need, by the names that they are imported by; mmsegmentation 1.2.2 imports the last
#: two without requiring them.
BROUGHT = ('mmengine', 'mmcv', 'mmseg', 'pkg_resources', 'ftfy', 'regex')
#: Distributions with compiled parts that work without them: the others with such parts stay behind.
_PURE_TOO = ('pyyaml', 'mmcv', 'wcwidth')
_COMPILED = ('.so', '.pyd', '.dylib')


def distributions_to_bring() -> tuple[list[str], list[str]]:
    """The distributions that `BROUGHT` need beyond `THERE`: those that are pure Python, or work so, and the others.

    Raises:
        ValueError: a framework that no distribution lists, as one that is installed in editable form.
    """
    owners = {name: each.metadata['Name'] for each in distributions() for name in imported_names(each)}
    hidden = [name for name in BROUGHT if name.startswith('mm') and name not in owners and find_spec(name)]
    if hidden:
        raise ValueError(
            f'{", ".join(hidden)} can be imported, but no installed distribution lists the files, as with pip install '
            '-e: install it without -e to pack it'
        )
    there = set(_needed(THERE))
    needed = [name for name in _needed(owners[name] for name in BROUGHT if name in owners) if name not in there]
    left_out = [name for name in needed if _compiled(name)]
    return [name for name in needed if name not in left_out], left_out


def _needed(names: Iterable[str]) -> list[str]:
    """These distributions and, in turn, what they require here, as far as it is installed."""
    waiting, found = [*names], []
    while waiting:
        name = _plain(waiting.pop(0))
        if name in found:
            continue
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.append(name)
        for each in map(Requirement, required):
            if each.marker is None or each.marker.evaluate({'extra': ''}):
                waiting.append(each.name)
    return found


def _plain(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def _compiled(name: str) -> bool:
    if any(name.endswith(each) for each in _PURE_TOO):
        return False
    return any(str(file).endswith(_COMPILED) for file in distribution(name).files or ())


def pure_files(name: str) -> Iterator[tuple[Path, str]]:
    """A distribution's files without its programs and compiled parts, each with its name below `site-packages`."""
    for file in distribution(name).files or ():
        inside, path = str(file), Path(file.locate())
        if '..' in file.parts or '__pycache__' in file.parts or inside.endswith(_COMPILED) or not path.is_file():
            continue  # programs lie outside
        yield path, inside


def imported_names(each: Distribution) -> set[str]:
    """By which it is imported: of its files, as not every distribution lists them, which Python 3.10 relies on."""
    tops = {file.parts[0].split('.')[0] for file in each.files or () if str(file).endswith(('.py', *_COMPILED))}
    return {top for top in tops if top.isidentifier()}
