"""Files that several processes change: one at a time, and a reader sees the old file or the new one, never a part."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[int]:
    """Holds a folder (its files are other ones after every `rewritten`), when no other process holds it any more.

    Yields:
        What holds it: a child that inherits this descriptor goes on holding it when we are killed.

    Raises:
        BlockingIOError: another one does, and we do not `wait`.
    """
    import fcntl  # none on Windows, where files are rewritten all the same

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield held
    finally:
        os.close(held)


@contextmanager
def rewritten(path: Path) -> Iterator[Path]:
    """A draft that takes the place of the file at the end; where that is an error, the file stays as it was."""
    path = path.resolve()  # a link stays one
    draft = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        yield draft
        with open(draft, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
