"""The authors' checkpoints under our module paths; the names inside a module are the module's own `reference_keys`."""

import re
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor

from ..layers.reference import renamed

#: format -> (pattern that some key has, [(pattern, replacement), ...] of which each key takes the first that fits).
FORMATS = {
    'mmengine': (r'^(backbone|neck|decode_head|head|bbox_head|rpn_head)\.', []),
    'EdgeNets segmentation': (r'^base_net\.', [(r'^base_net\.', 'backbone.'), (r'^', 'decode_head.')]),
    'EESPNet_Seg': (r'^net\.', [(r'^net\.', 'backbone.'), (r'^', 'decode_head.')]),
    'ESPNet': (
        r'^encoder\.level1\.',
        [
            (r'^encoder\.classifier\.', 'decode_head.encoder.classifier.'),
            (r'^encoder\.', 'backbone.'),
            (r'^', 'decode_head.'),
        ],
    ),
    'ESPNet-C': (r'^level2_0\.c1\.', [(r'^classifier\.', 'decode_head.classifier.'), (r'^', 'backbone.')]),
    'ESPNetv2 classifier': (r'^level2_0\.eesp\.', [(r'^classifier\.', 'head.fc.'), (r'^', 'backbone.')]),
}


def reference_format(state_dict: Mapping[str, Tensor]) -> str:
    """Names the format of a state dict, by its keys.

    Raises:
        ValueError: none of `FORMATS`.
    """
    name, keys = _format_and_keys(state_dict)
    if name:
        return name
    raise ValueError(
        f'the keys are of none of the known formats {", ".join(FORMATS)}; they begin with {", ".join(keys[:3])}'
    )


def is_known_format(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether `reference_format` has a name for it."""
    return _format_and_keys(state_dict)[0] is not None


def with_our_paths(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Puts `backbone.` and `decode_head.` before the keys of an author's state dict; ours passes unchanged.

    Example:
        >>> list(with_our_paths({'module.base_net.level1.conv.weight': None, 'module.bu_br_l2.0.bias': None}))
        ['backbone.level1.conv.weight', 'decode_head.bu_br_l2.0.bias']
    """
    _, rules = FORMATS[reference_format(state_dict)]
    ours = without_wrapper(state_dict)
    return {renamed(key, rules): value for key, value in ours.items()} if rules else ours


def without_wrapper(state_dict: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
    """Without the `module.` that DistributedDataParallel puts before each key, and with the modules' versions, by which
    they know how to read it.
    """
    plain = OrderedDict((re.sub(r'^module\.', '', key), value) for key, value in state_dict.items())
    versions = getattr(state_dict, '_metadata', None)
    if versions is not None:
        plain._metadata = {re.sub(r'^module(\.|$)', '', key): version for key, version in versions.items()}
    return plain


def _format_and_keys(state_dict: Mapping[str, Tensor]) -> tuple[str | None, list[str]]:
    keys = [re.sub(r'^module\.', '', str(key)) for key in state_dict]
    names = (name for name, (mark, _) in FORMATS.items() if any(re.search(mark, key) for key in keys))
    return next(names, None), keys
