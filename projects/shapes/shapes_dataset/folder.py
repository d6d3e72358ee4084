"""Write a data folder whole or not at all, and never over anything else."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from freqfusion_mm.datasets.manifest import MANIFEST, DatasetError, check_dataset, read_manifest


def make_folder(root: Path, version: str, arguments: dict, overwrite: bool, write: Callable[[Path], dict]) -> str:
    """Write the folder ``root`` unless it is there; returns a line to print.

    Args:
        root: the folder.
        version, arguments: of the manifest that it should have.
        overwrite: replace a folder of this kind, of any version, that is broken or made with other arguments. One that
            holds files which its manifest does not list is not replaced.
        write: fills an empty folder and returns its manifest.

    Raises:
        DatasetError: there is another folder, also one that came while this was written, and it is not to be, or must
            not be, replaced.
    """
    root = root.resolve() if root.is_symlink() else root  # a link to a larger disk stays
    if _something_at(root):
        state = describe_state(root, version, arguments)
        if state == 'complete':
            return f"'{root}' is complete already; nothing to do"
        if not overwrite:
            raise DatasetError(f'{state}. Add --overwrite to replace it')
        _check_replaceable(root, version, state)
    root.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and renamed when whole: an interrupted run leaves no such folder.
    beside = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
    new, old = beside / 'new', beside / 'old'
    try:
        new.mkdir()
        manifest = write(new)
        if overwrite and _something_at(root):
            _check_replaceable(root, version, f"data folder '{root}' is not as it should be")  # still
            root.rename(old)
        try:
            new.rename(root)  # over nothing, or an empty folder
        except OSError:
            if old.exists():
                old.rename(root)
            if not _something_at(root):
                raise
            raise DatasetError(f"'{root}' came while this was written, and is left as it is") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return f"wrote {len(manifest['files'])} files to '{root}'"


def describe_state(root: Path, version: str, arguments: dict) -> str:
    """'complete', or what is wrong with the folder."""
    try:
        check_dataset(root, version=version)
    except DatasetError as error:
        return str(error)
    found = read_manifest(root)['arguments']
    if found != arguments:
        return f"data folder '{root}' was made with {found}, wanted {arguments}"
    return 'complete'


def _something_at(root: Path) -> bool:
    return root.exists() and not (root.is_dir() and not any(root.iterdir()))


def _check_replaceable(root: Path, version: str, state: str) -> None:
    """Only what was written here goes: the manifest has to say so of the folder, and of every file."""
    try:
        manifest = read_manifest(root)
    except (DatasetError, OSError) as error:
        raise DatasetError(f'{state}. It is not replaced, for nothing says what it holds; remove it by hand') from error
    kind = version.rpartition('-')[0]
    if manifest['version'].rpartition('-')[0] != kind:
        raise DatasetError(f"{state}. It is not replaced, for it is no folder of '{kind}'; remove it by hand")
    found = {path.relative_to(root).as_posix() for path in root.rglob('*') if path.is_symlink() or not path.is_dir()}
    others = sorted(found - {*manifest['files'], MANIFEST})
    if others:
        raise DatasetError(
            f"{state}. It is not replaced because it holds other things, first '{others[0]}'; remove them by hand"
        )
