"""May a layer compute with the weights of its convolutions, past the modules?"""

from torch import nn

_HOOKS = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks')


def untouched(*convolutions: nn.Module | None) -> bool:
    """Has nobody put hooks on them (pruning, feature extraction, attribution) or other modules in their place?

    Example:
        >>> first, second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        >>> _ = nn.utils.prune.random_unstructured(second, 'weight', amount=0.5)
        >>> untouched(first, None), untouched(first, second)
        (True, False)
    """
    return all(
        conv is None or (type(conv) is nn.Conv2d and not any(getattr(conv, name) for name in _HOOKS))
        for conv in convolutions
    )
