"""The recorded results in tests/data: how they are stored and read, for the tests and for tests/data/record.py."""

import gzip
import io
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).resolve().parent / 'data'


def save_golden(name: str, cases) -> None:
    """Store what `torch.save` takes, compressed; the same cases give the same bytes."""
    buffer = io.BytesIO()
    torch.save(cases, buffer)
    (FOLDER / f'{name}.pt.gz').write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


def load_golden(name: str):
    """What was stored; weights that stand there as `shapes` alone are drawn anew into `state_dict`."""
    content = gzip.decompress((FOLDER / f'{name}.pt.gz').read_bytes())
    cases = torch.load(io.BytesIO(content), weights_only=True)
    if isinstance(cases, dict):
        cases['state_dict'] = draw_weights(cases.pop('shapes'))
    return cases


def draw_weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Weights for a whole network, float64: each follows from its key alone, by a generator that numpy keeps as it is.

    Convolutions keep the size of what passes; norms and PReLUs scale by about a half.
    """
    weights = {}
    for key, shape in shapes.items():
        drawn = torch.from_numpy(np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape))
        if key.endswith('num_batches_tracked'):
            drawn = torch.tensor(0)
        elif len(shape) > 1:
            drawn = drawn * (2 / drawn[0].numel()) ** 0.5
        elif key.endswith('running_var'):
            drawn = 1 + 0.1 * drawn.abs()
        else:
            drawn = 0.1 * drawn + 0.5 * key.endswith('weight')
        weights[key] = drawn
    return weights
