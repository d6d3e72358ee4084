"""Training batches that are the same after a restart: each sample's random numbers follow from its place in the run."""

import random
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from torch.utils.data import DataLoader, Dataset, IterableDataset

EPOCH, ITERATION, SAMPLE = range(3)  # what numbers are drawn for: the third number of a key


def seed_generators(*key: int) -> None:
    """Seed Python's, numpy's and torch's generators (CPU, CUDA) from the numbers that name a moment of a run."""
    words = np.random.SeedSequence(key).generate_state(3).tolist()
    random.seed(words[0])
    np.random.seed(words[1])
    torch.default_generator.manual_seed(words[2])  # torch.manual_seed takes 200 times as long, to note its caller
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(words[2])


class NumberedBatches:
    """A batch sampler whose indices carry where in the run they are drawn: (index, pass, batch, place in the batch).

    Args:
        batches: the batch sampler.
        endless: begin the next pass by itself, as an iteration loop wants it, else one pass an iterator.

    Attributes:
        number: of the pass that the next iterator begins with.
        skip: how many batches the next iterator leaves out; nothing is loaded for them.
    """

    def __init__(self, batches: Iterable[list[int]], endless: bool) -> None:
        self.batches = batches
        self.endless = endless
        self.number = self.skip = 0

    def __iter__(self) -> Iterator[list[tuple[int, ...]]]:
        skip, self.skip = self.skip, 0  # when the first batch is drawn: torch makes an iterator more than it uses
        yield from islice(self._numbered(), skip, None)

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        if name == 'batches':  # not there yet while an instance is copied or unpickled
            raise AttributeError(name)
        return getattr(self.batches, name)

    def _numbered(self) -> Iterator[list[tuple[int, ...]]]:
        for number in count(self.number) if self.endless else (self.number,):
            if self.endless and hasattr(getattr(self.batches, 'sampler', None), 'set_epoch'):
                self.batches.sampler.set_epoch(number)
            position = -1
            for position, batch in enumerate(self.batches):
                yield [(index, number, position, place) for place, index in enumerate(batch)]
            if position < 0:
                raise ValueError(
                    f'the training data loader has no batch to give: {len(self.batches.sampler)} samples of this '
                    f'process make none of {self.batches.batch_size} while drop_last is set; lower batch_size'
                )


class EndlessBatches:
    """What mmengine's iteration loop draws its batches from; skips without loading.

    Args:
        loader: with `NumberedBatches`.
        done: how many batches of the run are left out, whatever the loop says of it.
        drawn: the loop is going to make so many draws only to throw them away, as mmengine 0.10.7 does.
    """

    def __init__(self, loader: DataLoader, done: int = 0, drawn: bool = False) -> None:
        self._loader = loader
        self._iterator = None  # made when the first batch is wanted: workers load ahead at once
        self._owed = done if drawn else 0
        self.skip_iter(done)

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        if self._owed > 0:
            self._owed -= 1
            return None
        if self._iterator is None:
            self._iterator = iter(self._loader)
        return next(self._iterator)

    def skip_iter(self, num_iters: int) -> None:
        self._loader.batch_sampler.skip = num_iters


def load_exactly(loader: DataLoader, seed: int, rank: int, endless: bool) -> NumberedBatches:
    """Make a data loader, before its first batch, load each sample with generators seeded for it alone.

    Convention:
        The key of a sample is the seed, the rank, the pass, the batch and the place in it, not its index: samplers
        that draw an index several times in a pass want it augmented anew. So the sample is the same in whichever
        worker it is loaded, and in the main process.

    Args:
        loader: it keeps its data set and sampler; its batch sampler is wrapped in place.
        seed, rank: of the run and of this process.
        endless: see `NumberedBatches`.

    Returns:
        The batch sampler that the loader now has.

    Raises:
        TypeError: the data set is an `IterableDataset`, or the loader makes no batches.
        ValueError: the data set is empty.
    """
    if isinstance(loader.dataset, IterableDataset) or loader.batch_sampler is None:
        raise TypeError(
            f'ExactResume wants a data set with indices and a loader that makes batches, got '
            f'{type(loader.dataset).__name__} and batch_size={loader.batch_size}; remove the hook for such data'
        )
    if len(loader.dataset) == 0:
        raise ValueError(
            f'the training data set {type(loader.dataset).__name__} is empty; check its folders, suffix and filter_cfg'
        )
    batches = loader.batch_sampler
    if isinstance(batches, NumberedBatches):
        batches = batches.batches
    sampler = getattr(batches, 'sampler', None)
    if isinstance(sampler, InfiniteSampler):
        sampler.indices = sampler._indices_of_rank()  # back to its start: mmengine 0.10.7 has drawn from it already
    if hasattr(batches, '_aspect_ratio_buckets'):  # mmdet's; the same: a pass that stopped midway left them filled
        batches._aspect_ratio_buckets = [[] for _ in batches._aspect_ratio_buckets]
    batches = NumberedBatches(batches, endless)
    # torch's loader asks a data set for a whole batch where it can; so the data set itself stays what hooks expect.
    loader.dataset.__getitems__ = partial(_load_batch, loader.dataset, seed, rank)
    vars(loader)['batch_sampler'] = batches  # torch forbids the plain assignment
    loader._iterator = None  # with its workers, for the same reason
    return batches


def _load_batch(dataset: Dataset, seed: int, rank: int, draws: list) -> list:
    samples = []
    for draw in draws:
        # Another loader, of a validation say, may share the data set, and hand over plain indices.
        index, *place = draw if isinstance(draw, tuple) else (draw,)
        if place:
            seed_generators(seed, rank, SAMPLE, *place)
        samples.append(dataset[index])
    return samples
