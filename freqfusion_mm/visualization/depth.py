"""A depth map as colours."""

import numpy as np


def depth_colours(depth: np.ndarray) -> np.ndarray:
    """[H, W] depths to [H, W, 3] RGB bytes, from the least (dark) to the greatest (bright) of the map."""
    from matplotlib import colormaps

    low, high = float(np.nanmin(depth)), float(np.nanmax(depth))
    return colormaps['magma']((depth - low) / max(high - low, 1e-12), bytes=True)[..., :3]
