"""Class names and colours: of the built data set, one for each output of the built model."""

import logging
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from torch import nn

from ..engine.plain_model import unwrapped
from .config import scope_of
from .data import dataset_configs, described_dataset, innermost
from .errors import CheckpointError


def class_meta(cfg: Config, model: nn.Module | None = None, saved: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Names the classes of a config, without its samples.

    Convention:
        mmdet numbers COCO's labels by the JSON, and its own checkpoints name them by the config: where the JSON is
        there, its order counts. A subset of a data set's classes keeps the colours that these classes have there. A
        model with more outputs than the data set has classes (the ESPNet family learns the unlabelled pixels) gets
        `unlabelled`, black, for each; a detector `class 3`.

    Args:
        cfg: the config.
        model: its model.
        saved: `dataset_meta` of a checkpoint, which goes before the config's.

    Returns:
        `classes`, names; `palette`, [R, G, B] each; `reduce_zero_label`, whether the label files count from 1. Without
        classes (depth) both lists are empty.

    Raises:
        ValueError: the config has no test data set, nor `saved` classes; a string for classes; a palette of another
            length.
    """
    described = (cfg.get('test_dataloader') or {}).get('dataset') or not (saved or {}).get('classes')
    meta, official, named = _built_meta(cfg) if described else ({}, {}, None)
    if saved and saved.get('classes') and list(saved['classes']) != named:
        meta = {**meta, 'palette': None, **saved}
    return complete_meta(meta, official, *_outputs_and_name(model))


def dataset_meta(dataset: Any, model: nn.Module | None = None) -> dict[str, Any]:
    """As `class_meta`, of a data set that is built."""
    leaf = innermost(dataset)[0]
    official = getattr(type(leaf), 'METAINFO', {})
    return complete_meta(getattr(leaf, 'metainfo', {}), official, *_outputs_and_name(model))


def complete_meta(
    meta: Mapping[str, Any],
    official: Mapping[str, Any] | None = None,
    outputs: int | None = None,
    unnamed: str = 'unlabelled',
) -> dict[str, Any]:
    """Gives every output of a model a name and a colour.

    Args:
        meta: `metainfo` of a data set, maybe with too few or the wrong colours.
        official: `METAINFO` of its class, which has a colour for each name.
        outputs: of the model; None: as many as classes.
        unnamed: the name of an output that is no class; `{}` stands for its number.

    Example:
        >>> official = dict(classes=('sky', 'road', 'car'), palette=[[1, 1, 1], [2, 2, 2], [3, 3, 3]])
        >>> complete_meta(dict(classes=('car',), palette=official['palette']), official, outputs=2)['palette']
        [[3, 3, 3], [0, 0, 0]]
    """
    classes, palette = meta.get('classes') or (), meta.get('palette') or []
    if isinstance(classes, str):
        raise ValueError(f'classes is the string {classes!r}: write a tuple of names, ({classes!r},)')
    if len(palette) and isinstance(palette[0], int):  # mmdet: one colour for all
        palette = [palette] * len(classes)
    palette = [] if isinstance(palette, str) else [list(map(int, colour)) for colour in palette]  # mmdet: 'coco', ...
    known = dict(zip((official or {}).get('classes') or (), (official or {}).get('palette') or ()))
    inherited = not palette or palette == [list(map(int, colour)) for colour in known.values()]
    if inherited and all(name in known for name in classes):
        palette = [list(map(int, known[name])) for name in classes]
    elif not palette:
        palette = [[37 * i % 256, 91 * i % 256, 151 * i % 256] for i in range(len(classes))]
    elif len(palette) < len(classes):
        raise ValueError(f'the palette has {len(palette)} colours for {len(classes)} classes: give each class one')
    extra = range(len(classes), outputs or 0) if classes else ()
    return dict(
        classes=[*classes, *(unnamed.format(number) for number in extra)],
        palette=[*palette[: len(classes)], *([0, 0, 0] for _ in extra)],
        reduce_zero_label=bool(meta.get('reduce_zero_label')),
    )


def outputs_of(model: nn.Module) -> int | None:
    """How many class numbers a segmentor or detector may answer; None where nothing says.

    A sigmoid head of one output answers two: background and foreground. A detector's semantic head labels pixels (HTC's
    183 classes of COCO-Stuff), and one with a language model answers what the text names.
    """
    head = last_head(model)
    if head is not None:
        return max(head.num_classes, getattr(head, 'out_channels', None) or 0) if hasattr(head, 'num_classes') else None
    if hasattr(model, 'language_model'):
        return None
    other = {'backbone', 'neck', 'data_preprocessor', 'semantic_head'}
    modules = [module for name, module in model.named_modules() if not other & set(name.split('.'))]
    counts = [getattr(module, 'num_classes', None) for module in modules]
    return max((count for count in counts if isinstance(count, int)), default=None)


def check_class_order(learned: Sequence[str] | None, dataset: Any, filename: str) -> None:
    """Refuses a checkpoint that has the data set's classes in another order: its predictions would count as others.

    Convention:
        mmdet numbers COCO's labels by the JSON, and its own checkpoints name them by the config: those pass.

    Args:
        learned: `classes` of the checkpoint's `dataset_meta`; more than the data set's, as of unlabelled pixels, may
            follow.
        dataset: built.
        filename: of the checkpoint, for the message.

    Raises:
        CheckpointError: it has.
    """
    if any(hasattr(leaf, 'COCOAPI') for leaf in innermost(dataset)):
        return
    named = list((getattr(dataset, 'metainfo', None) or {}).get('classes') or ())
    learned = list(learned or ())[: len(named)]
    if learned != named and sorted(learned) == sorted(named):
        place = next(number for number, pair in enumerate(zip(learned, named)) if pair[0] != pair[1])
        raise CheckpointError(
            f'{filename} was trained with the classes in another order: number {place} is {learned[place]!r} there and '
            f"{named[place]!r} in the data set; give the data set's metainfo the classes of the checkpoint, "
            f'{tuple(learned)!r}'
        )


def check_countable(model: nn.Module, dataset: Any, metrics: Sequence[Any]) -> None:
    """Refuses a detector that may answer more classes than COCO's metric can count, before any work.

    Raises:
        ValueError: it is.
    """
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    model = unwrapped(model)
    outputs = outputs_of(model) or 0
    if classes and outputs > len(classes) and any(hasattr(metric, 'cat_ids') for metric in metrics):
        raise ValueError(
            f"the {type(model).__name__} answers {outputs} classes, and the data set has {len(classes)}: COCO's metric "
            'cannot count the others; set num_classes of its heads, or the metainfo of the data set'
        )


class LearnedLabels(NamedTuple):
    """Labels 0 to `outputs - 1` are learned, `ignored` is left out: of pixels, or of objects where that is None."""

    outputs: int
    ignored: int | None


def learned_labels(model: nn.Module) -> LearnedLabels | None:
    """Of the decode head that answers, or of whatever else has classes; None where nothing says.

    A region proposal network learns no label, whatever its data set has.
    """
    model = unwrapped(model)
    head, outputs = last_head(model), outputs_of(model)
    if head is None:
        return LearnedLabels(outputs, None) if outputs and not _proposes_regions(model) else None
    if outputs == 1:  # by a sigmoid: background and foreground (or a depth, which is no label)
        outputs = 2
    return LearnedLabels(outputs, getattr(head, 'ignore_index', 255)) if outputs else None


def last_head(model: nn.Module) -> nn.Module | None:
    """The decode head that answers: the last one of a cascade."""
    head = getattr(model, 'decode_head', None)
    return head[-1] if isinstance(head, nn.ModuleList) else head


def ignore_label(metrics: Sequence[Any], dataset: Any = None, model: nn.Module | None = None) -> int:
    """The label that a test leaves out: the metric's; what differs from it is said.

    Args:
        metrics: the built ones of an evaluator.
        dataset: the built data set.
        model: the built model.

    Returns:
        The number; 255 where nothing names one.
    """
    named = {f'the metric {type(metric).__name__}': getattr(metric, 'ignore_index', None) for metric in metrics}
    for leaf in innermost(dataset) if dataset is not None else []:
        named[f'the data set {type(leaf).__name__}'] = getattr(leaf, 'ignore_index', None)
    if model is not None:
        named['the decode head'] = getattr(last_head(model), 'ignore_index', None)
    named = {who: label for who, label in named.items() if label is not None}
    label = next(iter(named.values()), 255)
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    if 0 <= label < len(classes):
        print_log(
            f'label {label} is left out, and the data set has {len(classes)} classes: it is {classes[label]!r}. Give '
            'metric, head and data set another ignore_index if that class shall count',
            logger='current',
            level=logging.WARNING,
        )
    if len(set(named.values())) > 1:
        said = ', '.join(f'{who} ignores {each}' for who, each in named.items())
        print_log(f'{said}: {label} is left out here', logger='current', level=logging.WARNING)
    return label


def _proposes_regions(model: nn.Module) -> bool:
    if not find_spec('mmdet'):
        return False
    from mmdet.models.detectors import RPN

    return isinstance(model, RPN)


def _outputs_and_name(model: nn.Module | None) -> tuple[int | None, str]:
    if model is None:
        return None, ''
    return outputs_of(model), 'unlabelled' if last_head(model) is not None else 'class {}'


def _built_meta(cfg: Config) -> tuple[dict, dict, list[str] | None]:
    """`metainfo` of the test data set, `METAINFO` of its class, and its classes as the config names them where its file
    numbers them in another order.
    """
    leaf = described_dataset(cfg)
    if leaf is not None:
        official = dict(getattr(type(leaf), 'METAINFO', {}))
        named = list(leaf.metainfo.get('classes') or ())
        if hasattr(leaf, 'COCOAPI') and named != list(official.get('classes') or ()) and os.path.isfile(leaf.ann_file):
            leaf.load_data_list()  # sorts the classes, see `compat.coco_classes`
        meta = dict(leaf.metainfo)
        return meta, official, named if named != list(meta.get('classes') or ()) else None
    leaf = list(dataset_configs(cfg.test_dataloader))[-1]
    with scope_of(cfg), DATASETS.switch_scope_and_registry(None) as registry:
        leaf_class = registry.get(leaf['type']) if isinstance(leaf['type'], str) else leaf['type']
    official = dict(getattr(leaf_class, 'METAINFO', {}))
    return {**official, **(leaf.get('metainfo') or {})}, official, None
