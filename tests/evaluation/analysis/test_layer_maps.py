"""Maps of a layer: kept while they are asked for, and no longer."""

import pytest
import torch
from torch import nn

from freqfusion_mm.evaluation.analysis.layer_maps import Probe


@pytest.mark.parametrize('layer, channels', [('0', 2), ('0:in', 1), ('1', 3)])
def test_a_probe_is_there_for_its_time_alone(layer, channels):
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 1))
    probe = Probe(net, layer)
    for _ in range(2):
        with probe:
            net(torch.rand(2, 1, 4, 5))
            assert probe.take().shape == (2, channels, 4, 5)
            with pytest.raises(ValueError, match='must run once a batch, it ran 0 times'):
                probe.take()
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in net)
        net(torch.rand(1, 1, 4, 5))
