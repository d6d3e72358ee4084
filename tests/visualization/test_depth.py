"""A depth map as colours."""

import numpy as np
import pytest

colormaps = pytest.importorskip('matplotlib', reason='the colours are those of matplotlib').colormaps

from freqfusion_mm.visualization.depth import depth_colours  # noqa: E402


def test_from_the_least_to_the_greatest_number():
    colours = depth_colours(np.array([[2.0, 4.0, 3.0, np.nan]]))
    assert colours.shape == (1, 4, 3) and colours.dtype == np.uint8
    np.testing.assert_array_equal(colours[0, :3], colormaps['magma']([0.0, 1.0, 0.5], bytes=True)[:, :3])
    assert (depth_colours(np.full((2, 2), 7.0)) == colours[0, 0]).all()  # of one depth there is no range
