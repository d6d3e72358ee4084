"""Somebody else's upsampler, such as JAFAR or AnyUp, by its import path in `upsample_cfg`.

Its code stays where it is: nothing of it is in this package.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from .protocol import GuidedUpsampler, check_result

#: What a foreign `forward` may be handed.
ARGUMENTS = ('guide', 'features', 'size')


class ExternalUpsampler(GuidedUpsampler):
    """Calls a module of yours as an upsampler: one direct step of any ratio.

    Convention:
        `module` is called once, with what `arguments` names in that order: 'guide' is `hr_feat` [B, hr_channels, H, W]
        (the image itself behind `ImageGuidedFCNHead(raw_guide=True)`), 'features' is `lr_feat`, 'size' is (H, W). It
        returns [B, lr_channels, H, W].

    Args:
        lr_channels, hr_channels: channels of the two maps.
        module: a `torch.nn.Module`, its class, a function that makes one, or the import path of these.
        options: arguments of the class or function.
        arguments: of the module's `forward`, by position, as `image, features, output_size`.
        frozen: no gradient reaches its weights, and it stays in evaluation mode.

    Raises:
        TypeError: `module` makes no `torch.nn.Module`.
        ValueError: no module, an import path that leads nowhere, unknown arguments; in `forward`, a result of another
            shape.

    Example:
        >>> import torch
        >>> from freqfusion_mm.layers import build_fusion
        >>> fusion = build_fusion(dict(type='freqfusion_mm.layers.ExternalUpsampler', module='torch.nn.Upsample',
        ...                            options=dict(scale_factor=4), arguments=['features']), 8, 3)
        >>> fusion(torch.rand(1, 8, 2, 3), torch.rand(1, 3, 8, 12))[0].shape
        torch.Size([1, 8, 8, 12])
    """

    direct = True

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        module: str | nn.Module | Callable[..., nn.Module] | None = None,
        options: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = ARGUMENTS,
        frozen: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels)
        if not set(arguments) <= set(ARGUMENTS) or 'features' not in arguments:
            raise ValueError(f'arguments must be some of {ARGUMENTS}, features among them, got {tuple(arguments)}')
        made = _imported(module) if isinstance(module, str) else module
        if made is None:
            raise ValueError("ExternalUpsampler wants a module, e.g. module='my_package.MyUpsampler', got none")
        if not isinstance(made, nn.Module):
            made = made(**(options or {}))
        if not isinstance(made, nn.Module):
            raise TypeError(f'module must make a torch.nn.Module, got {type(made).__name__} from {module!r}')
        self.arguments = tuple(arguments)
        self.frozen = frozen
        self.module = made.requires_grad_(False).eval() if frozen else made

    def train(self, mode: bool = True):
        super().train(mode)
        if self.frozen:
            self.module.eval()
        return self

    def upsample(self, lr_feat: Tensor, hr_feat: Tensor) -> Tensor:
        size = tuple(hr_feat.shape[-2:])
        given = {'guide': hr_feat, 'features': lr_feat, 'size': size}
        lr_up = self.module(*(given[name] for name in self.arguments))
        check_result(self.module, lr_up, (*lr_feat.shape[:2], *size))
        return lr_up


def _imported(path: str) -> Any:
    module, _, name = path.rpartition('.')
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f'ExternalUpsampler: no module at the import path {path!r} ({error})') from None
