"""The config files, each of which is read once for all tests, and what is inside them."""

import copy
from functools import cache

from mmengine.config import Config


@cache
def shared_row(path):
    """The config of a file, the same for everybody: do not change it."""
    return Config.fromfile(path, import_custom_modules=False)


def row(path):
    """The config of a file, to change as one likes."""
    return copy.deepcopy(shared_row(path))


def walk(node):
    """Every dict inside."""
    if isinstance(node, dict):
        yield node
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for child in node:
        yield from walk(child)
