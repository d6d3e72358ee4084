"""Checkpoints are read as data only, whoever reads them in this process.

Lacking: mmengine 0.10.7 unpickles whatever a file names; onedl-mmengine 0.10.12 does where `weights_only=True` fails.
Changes: the loaders of local files and of downloads, which `torchvision://` and `open-mmlab://` end in as well, become
    `freqfusion_mm.apis.checkpoint.read_checkpoint`. It is the rule of our commands and `load_config`: `compat.apply()`,
    which the frameworks' own tools run too, leaves their loaders alone.
Goes: when mmengine reads its own checkpoints with `weights_only=True` and refuses others.
"""

import os
from typing import Any

from ..apis.checkpoint import read_checkpoint
from ..apis.errors import CheckpointError


def apply() -> None:
    """Registers our loaders; calling it again changes nothing."""
    from mmengine.runner import checkpoint as mmengines

    mmengines.CheckpointLoader.register_scheme('', _load_from_local, force=True)
    mmengines.CheckpointLoader.register_scheme(('http://', 'https://'), _load_from_http, force=True)
    mmengines.load_from_http = _load_from_http  # the other schemes' loaders end in this one


def _load_from_local(filename: str, map_location: Any = None) -> dict:
    return read_checkpoint(filename, map_location)


def _load_from_http(filename: str, map_location: Any = None, model_dir: str | None = None) -> dict:
    fetched, fresh = _download(filename, model_dir)
    try:
        return read_checkpoint(fetched, map_location)
    except CheckpointError:
        if fresh and os.path.exists(fetched):  # cut off on its way, say: the next try fetches it anew
            os.unlink(fetched)
        raise


def _download(url: str, model_dir: str | None) -> tuple[str, bool]:
    """Its file, and whether this process has fetched it now."""
    import torch
    from mmengine.dist import barrier, is_main_process

    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    filename = os.path.join(folder, os.path.basename(url.partition('?')[0]))
    fresh = False
    for first in (True, False):  # the first process alone; then one on another machine that does not see its file
        if (is_main_process() or not first) and not os.path.exists(filename):
            os.makedirs(folder, exist_ok=True)
            try:
                torch.hub.download_url_to_file(url, filename)
                fresh = True
            except OSError as error:
                raise CheckpointError(
                    f'{url} cannot be fetched ({error}): fetch it elsewhere and put it at {filename}'
                ) from error
        barrier()
    return filename, fresh
