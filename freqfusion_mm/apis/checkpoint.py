"""Checkpoints: read as data only, and loaded whole or not at all.

A checkpoint is a pickle, and a pickle may name any function to be run while it is read. torch's
`weights_only=True` admits tensors and plain data. A training checkpoint of mmengine also holds its
log history (`HistoryBuffer`, with numpy arrays); those few classes are admitted by name, so that a
run can be resumed, and nothing else is. `freqfusion_mm.compat.checkpoints_as_data` makes mmengine
read them so, too.
"""

import codecs
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from .errors import CheckpointError
from .reference_checkpoint import is_known_format, with_our_paths, without_wrapper

HISTORY_METHODS = ('min', 'max', 'current', 'mean')
NUMPY_SCALARS = (
    'bool',
    'int8',
    'int16',
    'int32',
    'int64',
    'uint8',
    'uint16',
    'uint32',
    'uint64',
    'float16',
    'float32',
    'float64',
)


def existing_file(filename: str) -> str:
    """The path of a checkpoint, `~` expanded.

    Raises:
        CheckpointError: there is no such file.
    """
    filename = os.path.expanduser(str(filename))
    if not os.path.isfile(filename):
        state = 'is a folder' if os.path.isdir(filename) else 'does not exist'
        raise CheckpointError(
            f'the checkpoint {filename} {state}; give the path of a .pth file '
            'as training leaves it in work_dirs/<config>/'
        )
    return filename


def read_checkpoint(filename: str, map_location: Any = 'cpu') -> dict:
    """Reads a checkpoint file without running any code that it may name.

    Args:
        filename: a local file; `~` is expanded.
        map_location: as in `torch.load`.

    Returns:
        What was saved: a state dict, or mmengine's dict with `state_dict`, `meta`, ...

    Raises:
        CheckpointError: there is no such file, it is no checkpoint, or it holds something other than
            tensors and plain data.
    """
    filename = existing_file(filename)
    try:
        checkpoint = _load(filename, map_location)
    except OSError:
        raise
    except Exception as error:  # a damaged file leads unpickling to whatever it says
        # "Unsupported operand 60": a byte that begins nothing which a pickle of tensors has, as in a page of HTML.
        refused = re.search(r'[Uu]nsupported (?!operand)\w+:?(?: GLOBAL)? ([\w.]+)', str(error))
        if refused is None:
            raise CheckpointError(
                f'{filename} is no checkpoint, or a broken one ({type(error).__name__}); fetch or save it again'
            ) from error
        raise CheckpointError(
            f'the checkpoint {filename} is not read: it holds something other than tensors and plain '
            f'data ({refused.group(1)}), and unpickling that could run code. Ask its author for the '
            'weights alone: torch.save(model.state_dict(), file)'
        ) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f'a checkpoint is a dict of tensors, but {filename} holds a {type(checkpoint).__name__}')
    return checkpoint


def load_checkpoint(model: nn.Module, filename: str, map_location: Any = 'cpu') -> dict:
    """Reads a checkpoint, ours or an author's, and loads it whole into a model.

    Args:
        model: a built model.
        filename: a local file, or an address that mmengine fetches.
        map_location: as in `torch.load`.

    Returns:
        The checkpoint, as `read_checkpoint` gives it.

    Raises:
        CheckpointError: the file cannot be read, or is for another model.
    """
    if '://' in str(filename):
        from mmengine.runner import CheckpointLoader

        checkpoint = CheckpointLoader.load_checkpoint(filename, map_location)
    else:
        checkpoint = read_checkpoint(filename, map_location)
    state_dict = checkpoint.get('state_dict', checkpoint)
    if is_known_format(state_dict):
        state_dict = with_our_paths(state_dict)
    load_strictly(model, dict(state_dict=state_dict), filename)
    return checkpoint


def load_strictly(model: nn.Module, checkpoint: dict, filename: str) -> None:
    """Loads weights into a model; every tensor must find its place, and every place its tensor.

    The modules' own renaming (`load_state_dict` pre-hooks) applies. BatchNorm's batch counter may be
    absent, as in weights from before it existed.

    Args:
        model: the model, or what distributed runs and augmented views wrap around it.
        checkpoint: what `read_checkpoint` returns.
        filename: for the error message.

    Raises:
        CheckpointError: names the missing, the unexpected and the mismatched keys.
    """
    from ..engine.plain_model import unwrapped  # here, as reading a checkpoint wants torch alone

    state_dict = checkpoint.get('state_dict', checkpoint)
    state_dict = without_wrapper(state_dict)
    try:
        missing, unexpected = unwrapped(model).load_state_dict(state_dict, strict=False)
    except RuntimeError as error:
        complaints = [line.strip() for line in str(error).splitlines()[1:]]
        raise CheckpointError(
            _misfit(filename, [f'{len(complaints)} tensors of another shape ({complaints[0]})'])
        ) from error
    missing = [key for key in missing if not key.endswith('num_batches_tracked')]
    complaints = [
        f'{len(keys)} keys {what} ({", ".join(keys[:3])}{", ..." if len(keys) > 3 else ""})'
        for what, keys in (('missing in it', missing), ('not in the model', unexpected))
        if keys
    ]
    if missing and not unexpected and all('fusions.' in key for key in missing):
        raise CheckpointError(
            f'the checkpoint {filename} has no weights for the upsamplers ({len(missing)} keys, such as {missing[0]}): '
            'it seems to be that of the stock model. Train from it by load_from, or test it with upsample_cfg=<its '
            'interpolation>'
        )
    if complaints:
        raise CheckpointError(_misfit(filename, complaints))


def _load(filename: str, map_location: Any) -> Any:
    admitted = _admitted_globals()
    if _torch_version() >= (2, 7):
        globals_and_names = [(value, name) for name, value in admitted.items()]
        with torch.serialization.safe_globals(globals_and_names):
            return torch.load(filename, map_location=map_location, weights_only=True)
    try:
        return torch.load(filename, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        # torch before 2.7 cannot be told of further classes, so the same rule is applied by name.
        by_name = SimpleNamespace(__name__='by_name', Unpickler=_by_name(admitted), load=_refuse_the_old_format)
        return torch.load(filename, map_location=map_location, weights_only=False, pickle_module=by_name)


def _admitted_globals() -> dict[str, Any]:
    """Name in the pickle -> what it stands for: mmengine's log history and numpy's numbers."""
    admitted = {
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
        'builtins.slice': slice,
        '__builtin__.slice': slice,
    }
    for core in ('numpy.core', 'numpy._core'):  # numpy 1's and numpy 2's name for the same functions
        admitted[f'{core}.multiarray._reconstruct'] = np.zeros(1).__reduce__()[0]
        admitted[f'{core}.multiarray.scalar'] = np.float64().__reduce__()[0]
    for scalar in NUMPY_SCALARS:
        dtype = type(np.dtype(scalar))
        admitted[f'{dtype.__module__}.{dtype.__qualname__}'] = dtype
    try:
        from mmengine.logging import HistoryBuffer
    except ImportError:
        return admitted

    def history_method(owner: type, name: str) -> Callable:
        if owner is not HistoryBuffer or name not in HISTORY_METHODS:
            raise pickle.UnpicklingError(f'Unsupported global: GLOBAL getattr({owner!r}, {name!r})')
        return getattr(HistoryBuffer, name)

    admitted['mmengine.logging.history_buffer.HistoryBuffer'] = HistoryBuffer
    # A HistoryBuffer pickles its own methods as getattr(HistoryBuffer, name): that alone is let through.
    admitted['builtins.getattr'] = admitted['__builtin__.getattr'] = history_method
    return admitted


def _by_name(admitted: dict[str, Any]) -> type[pickle.Unpickler]:
    tensors = {
        'collections.OrderedDict': OrderedDict,
        'torch.Size': torch.Size,
        'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
        'torch._utils._rebuild_parameter': torch._utils._rebuild_parameter,
        'torch.device': torch.device,
        '_codecs.encode': codecs.encode,
        'builtins.set': set,
        '__builtin__.set': set,
    }

    class ByName(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            full = f'{module}.{name}'
            if full in tensors or full in admitted:
                return tensors.get(full) or admitted[full]
            found = getattr(torch, name, None) if module == 'torch' else None
            if isinstance(found, torch.dtype) or name.endswith('Storage') and isinstance(found, type):
                return found
            raise pickle.UnpicklingError(f'Unsupported global: GLOBAL {full}')

    return ByName


def _refuse_the_old_format(*_: Any, **__: Any) -> None:
    raise pickle.UnpicklingError('Unsupported format: pickled_objects in a file as torch wrote them before 1.6')


def _torch_version() -> tuple[int, int]:
    return tuple(int(part) for part in torch.__version__.split('.')[:2])


def _misfit(filename: str, complaints: list[str]) -> str:
    return (
        f'the checkpoint {filename} belongs to another model: {"; ".join(complaints)}. Give the '
        'config that it was trained with (a copy lies beside the checkpoint), or the checkpoint '
        'of this config'
    )
