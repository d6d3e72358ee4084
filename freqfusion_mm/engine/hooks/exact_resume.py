"""A hook by which a killed and resumed run ends where the uninterrupted one does, bit for bit."""

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook

from ..exact_loading import EPOCH, ITERATION, EndlessBatches, load_exactly, seed_generators
from ..newest_checkpoint import newest_checkpoint


class ExactResume(Hook):
    """Make a resumed training run equal to one that was never interrupted.

    Put it in a config: `default_hooks = dict(exact_resume=dict(type='ExactResume'))`.

    Convention:
        Random states are not stored but made superfluous. The generators of Python, numpy and torch are seeded anew
        before each iteration, from the run's seed, the rank and the iteration, and before each sample, from its place
        in the run (see `load_exactly`). So the numbers depend neither on what was drawn before (a validation, say) nor
        on the number of workers. Ranks draw different numbers. The sampler goes on at the batch where it was, with
        its old seed, also within an epoch (`CheckpointHook(by_epoch=False)`); nothing is loaded for skipped batches.
        A resume that looks for the newest checkpoint itself takes the newest one that is whole.

    It cannot restore what is in no checkpoint: operations that are not deterministic on the device (mmengine's
    `randomness=dict(deterministic=True)` refuses them; on CUDA, by torch's documentation, the backward passes of
    bilinear interpolation and of grid sampling are among them: ReSFU, DySample, SAPA-D, FreqFusion with offsets),
    gradients gathered by `accumulative_counts` between two checkpoints (save
    at multiples of it), transforms that keep images or generators of their own (mosaic caches, albumentations 2),
    and what learns from a validation right after the checkpoint (`EarlyStoppingHook`, `ReduceOnPlateau*`).

    Raises:
        TypeError: at the start of training, if the data set has no indices.
        ValueError: if the work dir holds checkpoints and none of them is whole.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.saved = None
        self.batches = None
        self.done = 0  # batches of this epoch

    def before_run(self, runner) -> None:
        if runner._resume and runner._load_from is None:
            runner._load_from = newest_checkpoint(runner.work_dir)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        self.saved = checkpoint.get('exact_resume')

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if self.batches is not None:
            checkpoint['exact_resume'] = dict(self._sizes(), sampler_seed=self._sampler_seed(), done=self.done)

    def before_train(self, runner) -> None:
        loop = runner.train_loop
        endless = hasattr(loop, 'dataloader_iterator')
        self.batches = load_exactly(loop.dataloader, runner.seed, get_rank(), endless)
        if endless:
            draws = not hasattr(loop.dataloader_iterator, 'skip_iter')
            loop.dataloader_iterator = EndlessBatches(loop.dataloader, runner.iter, draws)
        if runner.iter > 0:
            self._resume(runner)
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook) and hook.max_keep_ckpts == 1:
                runner.logger.warning(
                    'max_keep_ckpts=1 deletes the only checkpoint before the next one is written: killed in between, '
                    'a run cannot be resumed at all; set it to 2'
                )

    def before_train_epoch(self, runner) -> None:
        seed_generators(runner.seed, get_rank(), EPOCH, runner.iter)
        if not self.batches.endless:
            self.batches.number, self.batches.skip = runner.epoch, self.done

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        seed_generators(runner.seed, get_rank(), ITERATION, runner.iter)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self.done += not self.batches.endless

    def after_train_epoch(self, runner) -> None:
        self.done = 0

    def _resume(self, runner) -> None:
        sizes = self._sizes()
        was = {key: (self.saved or {}).get(key) for key in sizes}
        if was != sizes:
            runner.logger.warning(
                f'this run goes on, but not exactly as it would have: the checkpoint is of a run with {was}, now it '
                f'is {sizes} (None: it was trained without ExactResume)'
            )
            return
        self.done = self.saved['done']
        sampler = getattr(self.batches, 'sampler', None)
        if self.saved['sampler_seed'] is not None and hasattr(sampler, 'seed'):
            sampler.seed = self.saved['sampler_seed']

    def _sizes(self) -> dict:
        return dict(batches_per_pass=len(self.batches), world_size=get_world_size())

    def _sampler_seed(self) -> int | None:
        seed = getattr(getattr(self.batches, 'sampler', None), 'seed', None)
        return None if seed is None else int(seed)
