"""mmdet's HRNet with a chosen feature fusion in its exchange units; see `hrnet_exchange`."""

from mmdet.models.backbones import HRNet

from ..fusions import takes_fusion
from .hrnet_exchange import ExchangeByFusions


@takes_fusion
class FusionDetHRNet(ExchangeByFusions, HRNet):
    """mmdet's HRNet whose exchange units upsample by fusions; see `ExchangeByFusions`.

    With `dict(type='nearest')` it is mmdet's `HRNet`, same keys and numbers; beside the interpolation, it is mmdet's
    default of `norm_eval` that tells it from `FusionHRNet`.
    """
