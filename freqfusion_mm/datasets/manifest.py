"""A manifest of a data folder: what it should hold, and whether it still does."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

MANIFEST = 'manifest.json'
PathLike = str | os.PathLike


class DatasetError(RuntimeError):
    """A data folder is missing, incomplete or changed; the message says what, and the remedy."""


def write_manifest(root: PathLike, version: str, arguments: dict, facts: dict) -> dict:
    """Write ``manifest.json``, the last file of a finished data folder.

    Args:
        root: the folder, with every other file already in it.
        version: name and version of the layout, e.g. ``'shapes-2'``.
        arguments: what the folder was made from; equal arguments mean equal files.
        facts: anything else worth keeping (versions, counts); not compared.

    Returns:
        The manifest: the arguments above and ``files``, a map from the path of each file, relative
        to ``root``, to its SHA-256.
    """
    root = Path(root)
    files = {name: _sha256(root / name) for name in list_files(root)}
    manifest = dict(version=version, arguments=arguments, facts=facts, files=files)
    (root / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + '\n')
    return manifest


def read_manifest(root: PathLike) -> dict:
    """Read ``manifest.json``.

    Raises:
        DatasetError: if it is not there or is not a manifest.
    """
    path = Path(root) / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise DatasetError(f"'{path}' is missing: the folder was never finished") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetError(f"'{path}' is not valid JSON ({error})") from None
    wanted = {'version': str, 'arguments': dict, 'files': dict}
    if not isinstance(manifest, dict) or any(not isinstance(manifest.get(key), kind) for key, kind in wanted.items()):
        raise DatasetError(f"'{path}' is not a manifest: it wants the keys {', '.join(wanted)}")
    return manifest


def check_dataset(root: PathLike, required: Sequence[str] = (), version: str | None = None, remedy: str = '') -> None:
    """Refuse a data folder that is missing, half-written or changed.

    Convention:
        A required folder must hold something; a required ``.json`` must begin and end as a JSON
        object (a broken download or a full disk cuts the end off), which costs nothing even for an
        annotation of half a gigabyte. With ``version`` every file is compared with the manifest.

    Args:
        root: the data folder; one of another file system (``s3://...``) is not looked at.
        required: files and folders, relative to ``root``, that must be there.
        version: the folder must hold a manifest of this version, and exactly the files it lists
            (names that begin with a dot are not looked at). ``None``: no manifest is wanted.
        remedy: what to do about it, the end of the error message.

    Raises:
        DatasetError: naming the folder, what is wrong in it, and the remedy.

    Example:
        >>> check_dataset('no/such/folder', remedy='Make it with: python make_shapes.py')
        Traceback (most recent call last):
        ...
        freqfusion_mm.datasets.manifest.DatasetError: data folder 'no/such/folder' cannot be used: \
there is no such folder. Make it with: python make_shapes.py
    """
    if '://' in str(root):  # of another file system, which mmengine's clients reach
        return
    root = Path(root)
    try:
        if not root.is_dir():
            raise DatasetError('there is no such folder')
        for name in required:
            _check_required(root, name)
        if version is not None:
            _check_manifest(root, version)
    except DatasetError as error:
        message = f"data folder '{root}' cannot be used: {error}"
        raise DatasetError(f'{message}. {remedy}' if remedy else message) from None


def _check_required(root: Path, name: str) -> None:
    path = root / name
    if not path.exists():
        raise DatasetError(f"'{name}' is missing")
    if path.is_dir():
        if next(path.iterdir(), None) is None:
            raise DatasetError(f"'{name}' is empty")
    elif path.suffix == '.json':
        ends = first_and_last(path)
        if ends != b'{}':
            raise DatasetError(
                f"'{name}' is corrupt: a JSON object begins with '{{' and ends with '}}', this file with {ends!r}"
            )


def first_and_last(path: PathLike) -> bytes:
    """The first and the last letter of a text file, which say of a JSON at no cost whether its end is there."""
    with open(path, 'rb') as file:
        start = file.read(64).lstrip()[:1]
        file.seek(max(os.path.getsize(path) - 64, 0))
        return start + file.read().rstrip()[-1:]


def _check_manifest(root: Path, version: str) -> None:
    manifest = read_manifest(root)
    if manifest['version'] != version:
        raise DatasetError(f"it was written as '{manifest['version']}', wanted is '{version}'")
    wanted, found = set(manifest['files']), set(list_files(root))
    if wanted - found:
        raise DatasetError(_count_and_name('missing', sorted(wanted - found)))
    if found - wanted:
        raise DatasetError(_count_and_name('not in the manifest', sorted(found - wanted)))
    changed = [name for name in sorted(wanted) if _sha256(root / name) != manifest['files'][name]]
    if changed:
        raise DatasetError(_count_and_name('corrupt (not what was written)', changed))


def _count_and_name(what: str, names: list) -> str:
    return f"{len(names)} file{'s' * (len(names) > 1)} {what}, first '{names[0]}'"


def list_files(root: Path) -> list[str]:
    """The files below a folder, relative to it, but for the manifest and names that begin with a dot."""
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith('.')]
        names += [
            Path(folder, name).relative_to(root).as_posix()
            for name in files
            if not name.startswith('.') and Path(folder, name) != root / MANIFEST
        ]
    return sorted(names)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
