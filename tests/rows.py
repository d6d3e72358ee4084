"""The config files, each of which is read once for all tests."""

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
