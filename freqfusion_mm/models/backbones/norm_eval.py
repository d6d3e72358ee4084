"""The option `norm_eval` of our own backbones."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class NormEval:
    """Mixin, to be named before the module's class and behind `KeptInit`: `norm_eval` keeps BatchNorm statistics fixed.

    Example:
        >>> class Backbone(NormEval, nn.Sequential):
        ...     norm_eval = True
        >>> backbone = Backbone(nn.BatchNorm2d(4), nn.Dropout()).train()
        >>> [layer.training for layer in backbone]
        [False, True]
    """

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
