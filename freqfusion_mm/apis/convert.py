"""Converting an author's checkpoint to ours."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .checkpoint import load_strictly, read_checkpoint
from .model import init_model
from .outputs import check_out
from .reference_checkpoint import reference_format, with_our_paths
from .shared_files import rewritten


def convert_checkpoint(
    config: str | Path,
    file: str | Path,
    out: str | Path,
    source: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> dict:
    """Writes the weights of an author's file as a checkpoint of a config.

    Args:
        config: a file, or the name of one of ours: the model of the weights.
        file: the author's; it is read as data only.
        out: the .pth file to write.
        source: where the file comes from; its name unless given.
        cfg_options: settings to override.

    Returns:
        What is kept in its `meta`: classes and palette, config, format, source, and the sha256 of the file.

    Raises:
        CheckpointError: it cannot be read, or is for another model.
        FileExistsError: `out` is the author's file.
        ValueError: its keys are of no known format.
    """
    file = Path(file).expanduser()
    out = check_out(out, file)
    checkpoint = read_checkpoint(str(file))
    state_dict = checkpoint.get('state_dict', checkpoint)
    kind = reference_format(state_dict)
    model = init_model(config, device='cpu', cfg_options=cfg_options)
    load_strictly(model, dict(state_dict=with_our_paths(state_dict)), str(file))
    meta = dict(
        dataset_meta=getattr(model, 'dataset_meta', {}),
        config=Path(config).name.removesuffix('.py'),
        format=kind,
        source=source or file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
    with rewritten(out) as draft:
        torch.save(dict(meta=meta, state_dict=model.state_dict()), draft)
    return meta
