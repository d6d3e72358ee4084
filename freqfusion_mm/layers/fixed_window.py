"""Windows that are known, not learned: no checkpoint holds them."""

import torch
from torch import Tensor, nn


class FixedWindow:
    """Mixin, to be named before the module's class: a buffer `window` that is made anew whenever the module is moved.

    What `to_empty` leaves unset is there again, and half precision does not round it for good: it is float32 at least.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer('window', None, persistent=False)

    def make_window(self) -> Tensor:
        """The window, exact. A constructor that wants one sets it when it knows the size."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Makes the window anew: FSDP asks it of every module whose buffers it has taken off the meta device."""
        if self.window is not None:
            self.window.copy_(self.make_window())

    def _apply(self, *args, **kwargs) -> nn.Module:
        super()._apply(*args, **kwargs)
        if self.window is not None:
            dtype = torch.promote_types(self.window.dtype, torch.float32)
            self.window = self.make_window().to(self.window.device, dtype)
        return self
