"""Upsamplers and fusions, one published method a file; a new file registers itself."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f'.{_module.name}', __name__)
