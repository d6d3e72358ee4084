"""The memory of MaskFormer's convolutional pixel decoder, for subclasses of mmdet's `PixelDecoder` too.

Lacking: mmdet's `MaskFormerHead` (3.x, and mmseg's, which is a subclass) brings the memory to the width of its
    transformer decoder by `decoder_input_proj`, but only if the pixel decoder's type is exactly `PixelDecoder`; with
    `FusionPixelDecoder` the transformer gets another width than it has.
Changes: the same convolution, of the same name, for a subclass that hands the last input on as its memory, which
    `hands_input_on = True` says. Every other head is as it was.
Goes: when mmdet asks `isinstance`.
"""

from functools import wraps
from importlib.util import find_spec


def apply() -> None:
    """Give `MaskFormerHead` the convolution that it leaves out; idempotent."""
    if not find_spec('mmdet'):
        return
    from mmcv.cnn import Conv2d
    from mmdet.models.dense_heads import MaskFormerHead
    from torch import nn

    init = MaskFormerHead.__init__
    if hasattr(init, 'projects_for_subclasses'):
        return

    @wraps(init)
    def __init__(self, in_channels, *args, **kwargs) -> None:
        init(self, in_channels, *args, **kwargs)
        enforced = kwargs.get('enforce_decoder_input_project', False)
        missing = isinstance(getattr(self, 'decoder_input_proj', None), nn.Identity)
        if missing and getattr(getattr(self, 'pixel_decoder', None), 'hands_input_on', False):
            if enforced or self.decoder_embed_dims != in_channels[-1]:
                self.decoder_input_proj = Conv2d(in_channels[-1], self.decoder_embed_dims, kernel_size=1)

    __init__.projects_for_subclasses = True
    MaskFormerHead.__init__ = __init__
