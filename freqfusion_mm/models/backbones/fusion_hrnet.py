"""mmsegmentation's HRNet with a chosen feature fusion in its exchange units; see `hrnet_exchange`."""

from mmseg.models.backbones import HRNet

from ..fusions import takes_fusion
from .hrnet_exchange import ExchangeByFusions


@takes_fusion
class FusionHRNet(ExchangeByFusions, HRNet):
    """mmsegmentation's HRNet whose exchange units upsample by fusions; see `ExchangeByFusions`.

    With `dict(type='bilinear')` it is mmsegmentation's `HRNet`, same keys and numbers.
    """
