"""The class that `carafe_on_cpu` puts in the place of mmcv's; by itself, so that models can be pickled."""

from mmcv.ops import CARAFEPack

from ..ops.reassembly.carafe import carafe


class CARAFEPackOnAnyDevice(CARAFEPack):
    """mmcv's CARAFE; where the features are not on a CUDA device, our operator reassembles them."""

    def feature_reassemble(self, x, mask):
        if x.is_cuda:
            return super().feature_reassemble(x, mask)
        return carafe(x, mask.to(x.dtype), self.up_kernel, self.up_group, self.scale_factor)
