"""matplotlib without a screen."""

from types import ModuleType


def pyplot() -> ModuleType:
    """`matplotlib.pyplot`, imported when a figure is drawn, on a backend that writes files."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    return pyplot
