"""Write a data folder whole or not at all, and never over anything else."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from freqfusion_mm.datasets.manifest import MANIFEST, DatasetError, check_dataset, read_manifest


def make_folder(
    root: Path, version: str, arguments: dict, names: Sequence[str], overwrite: bool, write: Callable[[Path], dict]
) -> str:
    """Write the folder ``root`` unless it is there; returns a line to print.

    Args:
        root: the folder.
        version, arguments: of the manifest that it should have.
        names: what it holds beside the manifest; a folder that holds other things is not replaced.
        overwrite: replace a folder that is broken or made with other arguments.
        write: fills an empty folder and returns its manifest.

    Raises:
        DatasetError: there is another folder, and it is not to be, or must not be, replaced.
    """
    if root.exists():
        state = describe_state(root, version, arguments)
        if state == 'complete':
            return f"'{root}' is complete already; nothing to do"
        if not overwrite:
            raise DatasetError(f'{state}. Add --overwrite to replace it')
        others = [path.name for path in root.iterdir() if path.name not in (*names, MANIFEST)]
        if others:
            raise DatasetError(
                f"{state}. It is not replaced because it holds other things, first '{others[0]}'; remove them by hand"
            )
    root.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and renamed when whole: an interrupted run leaves no such folder.
    partial_root = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
    try:
        partial_root.chmod(0o755)
        manifest = write(partial_root)
        if root.exists():
            shutil.rmtree(root)
        partial_root.rename(root)
    finally:
        shutil.rmtree(partial_root, ignore_errors=True)
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
