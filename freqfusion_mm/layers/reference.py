"""How a layer of ours takes the arguments and the checkpoints of the authors' code."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn


def renamed(key: str, rules: Sequence[tuple[str, str]]) -> str:
    """The key by the first of the (pattern, replacement) that fits it; by none, as it is."""
    for pattern, replacement in rules:
        if re.search(pattern, key):
            return re.sub(pattern, replacement, key, count=1)
    return key


class ReferenceNames(nn.Module):
    """Mixin: small tables map the authors' names to ours, for `from_reference` and for `load_state_dict`.

    Attributes:
        reference_args: authors' argument -> ours. An argument that is not listed keeps its name.
        reference_same: authors' argument -> the one it equals where it is not given.
        reference_fixed: authors' argument -> the one value that it may have here, and why there is no other.
        reference_defaults: our arguments whose default differs from the authors', with the authors' value.
        reference_keys: authors' state-dict key (or the module prefix of keys) -> ours; None drops the key.
    """

    reference_args: ClassVar[dict[str, str]] = {}
    reference_same: ClassVar[dict[str, str]] = {}
    reference_fixed: ClassVar[dict[str, tuple[Any, str]]] = {}
    reference_defaults: ClassVar[dict[str, Any]] = {}
    reference_keys: ClassVar[dict[str, str | None]] = {}

    @classmethod
    def from_reference(cls, **authors_kwargs):
        """Build the layer from the arguments of the authors' class, with the authors' defaults.

        Raises:
            TypeError: an argument that they do not have.
            ValueError: a value of theirs that has no counterpart here.
        """
        for name, (value, why) in cls.reference_fixed.items():
            if authors_kwargs.pop(name, value) != value:
                raise ValueError(f'{cls.__name__}.from_reference takes {name}={value!r} alone: {why}')
        for name, other in cls.reference_same.items():
            if authors_kwargs.get(name) is None:
                authors_kwargs[name] = authors_kwargs.get(other)
        renamed = {cls.reference_args.get(name, name): value for name, value in authors_kwargs.items()}
        return cls(**{**cls.reference_defaults, **renamed})

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name = key[len(prefix) :]
            for theirs, ours in self.reference_keys.items():
                if name == theirs or name.startswith(theirs + '.'):
                    value = state_dict.pop(key)
                    if ours is not None:
                        state_dict[prefix + ours + name[len(theirs) :]] = value
                    break
        super()._load_from_state_dict(state_dict, prefix, *args)
