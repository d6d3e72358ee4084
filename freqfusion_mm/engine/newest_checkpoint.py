"""The newest checkpoint of a work dir that is whole."""

import logging
import os
import re
from pathlib import Path
from zipfile import ZipFile

from mmengine.logging import print_log

NUMBERED = re.compile(r'(.*?)(\d+)\.pth')


def newest_checkpoint(work_dir: str | os.PathLike) -> str | None:
    """Find the checkpoint to go on from; one that was cut off is named, and the one before it is taken.

    Convention:
        Newest is the one that mmengine's file `last_checkpoint` names, or one of a higher number written after it
        (a process may die between the two). Every record is compared with the file's own checksum.

    Args:
        work_dir: where training has left `last_checkpoint`, and `iter_N.pth` or `epoch_N.pth`.

    Returns:
        Its path; `None` where there is no checkpoint at all.

    Raises:
        ValueError: there are checkpoints, and none of them is whole.
    """
    candidates = _newest_first(Path(work_dir))
    faults = []
    for path in candidates:
        fault = None if '://' in path else _fault(path)
        if fault is None:
            if faults:
                print_log(f'broken: {"; ".join(faults)}. Going on from {path}', 'current', logging.WARNING)
            return path
        faults.append(f'{path} ({fault})')
    if faults:
        raise ValueError(
            f'no checkpoint in {work_dir} can be used: {"; ".join(faults)}. Name another one to resume from, or '
            'leave --resume out to begin anew'
        )
    return None


def _newest_first(work_dir: Path) -> list[str]:
    file = work_dir / 'last_checkpoint'
    named = file.read_text(errors='replace').strip() if file.is_file() else ''
    if '://' in named:
        return [named]
    own = work_dir / Path(named).name
    if named and own.exists():  # the folder may have been moved, or copied from that of another run
        named = str(own)
    numbered = {}  # prefix -> {number: path}
    for path in (Path(named).parent if named and os.path.exists(named) else work_dir).glob('*.pth'):
        match = NUMBERED.fullmatch(path.name)
        if match:
            numbered.setdefault(match[1], {})[int(match[2])] = path
    match = NUMBERED.fullmatch(Path(named).name)
    if match:
        paths, last = numbered.get(match[1], {}), int(match[2])
        written = os.path.getmtime(named) if os.path.exists(named) else 0
        # Higher numbers that are older than it are what an earlier, longer run left.
        numbers = [n for n in paths if n < last or n > last and paths[n].stat().st_mtime >= written]
        paths = {**{n: str(paths[n]) for n in numbers}, last: named}
        first = [paths[n] for n in sorted(paths, reverse=True)]
    else:
        first = [named] if named else []
    if named and os.path.exists(named):
        return first
    kinds = [paths for prefix, paths in numbered.items() if prefix in ('iter_', 'epoch_')]
    newest = max(kinds, key=lambda paths: max(path.stat().st_mtime for path in paths.values()), default={})
    return list(dict.fromkeys([*first, *(str(newest[n]) for n in sorted(newest, reverse=True))]))


def _fault(path: str) -> str | None:
    """What is wrong with a checkpoint file, which is a zip archive; a folder (sharded) is taken as it is."""
    if os.path.isdir(path):
        return None
    if not os.path.exists(path):
        return 'it does not exist'
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises whatever a damaged header leads it to
        return f'{os.path.getsize(path)} bytes, cut off while it was written? {error}'
    return damaged and f'its record {damaged} is damaged'
