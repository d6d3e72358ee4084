"""mmengine's runner for a config, with what our commands add to it."""

from collections import OrderedDict
from difflib import get_close_matches
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner

from .checkpoint import load_strictly
from .classes import check_class_order
from .data import dataset_configs


def build_runner(cfg: Config) -> Runner:
    """Builds the runner that a config asks for; it also loads bare state dicts, with averaged weights too."""
    if 'runner_type' in cfg:
        from mmengine.registry import RUNNERS

        runner = RUNNERS.build(cfg)
    else:
        runner = Runner.from_cfg(cfg)
    runner.register_hook(BareStateDict())
    return runner


def build_optimizer(runner: Runner) -> None:
    """Builds what a training of mmengine's own runner would build first: what is wrong in the config shows here.

    Raises:
        ValueError: there is no optimizer of that name, of which mmengine itself says "None is not a callable object".
    """
    if not isinstance(runner, Runner):
        return
    wrapper = runner.optim_wrapper
    kind = (wrapper.get('optimizer') or {}).get('type') if isinstance(wrapper, dict) else None
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:  # the framework's own, too
        unknown = isinstance(kind, str) and registry.get(kind) is None
    if unknown:
        near = get_close_matches(kind, OPTIMIZERS.module_dict)
        raise ValueError(f'there is no optimizer {kind!r}' + (f'; the nearest are: {", ".join(near)}' if near else ''))
    runner.optim_wrapper = runner.build_optim_wrapper(wrapper)


class BareStateDict(Hook):
    """Puts a state dict without a wrapper under the key 'state_dict', where mmengine's EMAHook looks for it."""

    priority = 'VERY_HIGH'  # before the hooks that read the checkpoint

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if 'state_dict' not in checkpoint:
            state_dict = OrderedDict(checkpoint)
            checkpoint.clear()
            checkpoint['state_dict'] = state_dict


class StrictLoading(Hook):
    """Refuses a checkpoint that does not fit the model or the data set; mmengine itself only logs it.

    Args:
        filename: the checkpoint, for the error message.
        dataset: built, whose classes must be those of the checkpoint in its order.
    """

    priority = 'LOWEST'  # after the hooks that exchange the weights, such as the averaged ones

    def __init__(self, filename: str, dataset: Any) -> None:
        self.filename = filename
        self.dataset = dataset

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        load_strictly(runner.model, checkpoint, self.filename)
        learned = ((checkpoint.get('meta') or {}).get('dataset_meta') or {}).get('classes')
        check_class_order(learned, self.dataset, self.filename)


def use_amp(cfg: Config) -> None:
    """Makes a training run in mixed precision.

    Raises:
        ValueError: torch sees no CUDA device; the config's optimizer wrapper is of another kind.
    """
    if not torch.cuda.is_available():
        raise ValueError('mixed precision needs a CUDA device, and torch sees none here; leave --amp out')
    wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
    name = wrapper if isinstance(wrapper, str) else wrapper.__name__
    if name.rpartition('.')[2] not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f'mixed precision needs an optim_wrapper of type OptimWrapper, but the config has {name}')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def use_tta(cfg: Config) -> None:
    """Makes a test average over augmented views: those of `tta_pipeline`, or else the image and its mirror image.

    Raises:
        ValueError: the config has no `tta_model`.
    """
    if not cfg.get('tta_model'):
        raise ValueError(
            'test-time augmentation wants tta_model in the config, which has none: for mmseg '
            "tta_model = dict(type='SegTTAModel'), for mmdet dict(type='DetTTAModel', "
            "tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100))"
        )
    for dataset in dataset_configs(cfg.test_dataloader):
        if 'pipeline' in dataset:
            dataset['pipeline'] = cfg.get('tta_pipeline') or _with_mirror_image(dataset['pipeline'])
    cfg.model = dict(cfg.tta_model, module=cfg.model)


def _with_mirror_image(pipeline: list[dict]) -> list[dict]:
    *steps, pack = pipeline
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'pad_shape', 'scale_factor', 'flip', 'flip_direction')
    keys += ('reduce_zero_label', 'seg_map_path', 'sample_idx')
    kind = pack['type']  # a class in a lazy config, which sets no scope
    scope = '' if isinstance(kind, str) else f'{kind.__module__.partition(".")[0]}.'
    # the labels are those of the first view
    flips = [dict(type=f'{scope}RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    packing = dict(pack, meta_keys=tuple(dict.fromkeys((*pack.get('meta_keys', ()), *keys))))
    return [*steps, dict(type='TestTimeAug', transforms=[flips, [packing]])]
