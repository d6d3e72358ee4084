"""SAPA: reassembly kernels from the similarity of fine and coarse features.

Paper: SAPA: Similarity-Aware Point Affiliation for Feature Upsampling, NeurIPS 2022, arXiv 2209.12866.
Source: poppinace/sapa (348db4a, MIT), written anew. Ours takes any pair of sizes and any device, without a compiled
extension.
"""

import torch
from torch import Tensor, nn

from ...ops import resize_nearest
from ...ops.kernels import normalize_kernels
from ...ops.reassembly import carafe, window_similarity
from ..inside import Inside, by_taps
from ..norms import ChannelNorm, group_norm
from ..option_checks import check_positive, check_windows
from ..protocol import GuidedUpsampler
from ..reference import ReferenceNames
from ..registry import register_upsampler


@register_upsampler('SAPA')
class SAPA(ReferenceNames, GuidedUpsampler):
    """Each fine pixel becomes the mean of the k x k coarse pixels around it, weighted by how alike they are.

    Convention:
        `weights = softmax_t <query[Y], key[window_t(Y)]>`, the window of fine pixel Y centred on coarse pixel
        `floor(Y*h/H)`; a place outside the map has the similarity 0, takes its share of the softmax, and counts as
        zero. `key` is a linear map of the normalised `lr_feat`; `query` one of the normalised `hr_feat` (SAPA-B), or,
        `gated` (SAPA-G), `g * W_hr norm(hr) + (1 - g) * W_lr lr` with `g = sigmoid(W_g norm(lr))` and both parts of
        `lr_feat` upsampled by nearest. Ratios above 2 take several steps with the same weights, guided by `hr_feat`
        average-pooled to the size of each. Without `embedding` (SAPA-I) query and key are the normalised maps
        themselves.

    Args:
        lr_channels, hr_channels: channels of the two maps.
        kernel_size: k, odd.
        compressed_channels: of query and key: 32 in the published comparisons, 64 in the released file.
        gated: SAPA-G.
        embedding: off, SAPA-I, the inner product of the two maps, of equal channels. Whether its authors normalise them
            first could not be read: the preset takes `norm=None`.
        norm: 'layer' (over the channels of a pixel, as released), 'group' (32 groups or the largest number below that
            divides, as in the authors' forks of mmdetection and mmsegmentation), or None.
        bias: of the linear maps.
        with_cp: make activations again in the backward pass: less memory, more time.

    Example:
        >>> import torch
        >>> SAPA(16, 12)(torch.rand(1, 16, 5, 7), torch.rand(1, 12, 11, 13)).shape
        torch.Size([1, 16, 11, 13])
    """

    option_aliases = {'embedding_channels': 'compressed_channels'}
    reference_args = {
        'dim_y': 'hr_channels',
        'dim_x': 'lr_channels',
        'up_kernel_size': 'kernel_size',
        'embedding_dim': 'compressed_channels',
        'qkv_bias': 'bias',
    }
    reference_same = {'dim_x': 'dim_y'}
    reference_fixed = {'up_factor': (2, "larger ratios are steps of 2 here, and the guide's size says how many")}
    reference_defaults = {'compressed_channels': 64}
    reference_keys = {
        'norm_y': 'hr_norm',
        'norm_x': 'lr_norm',
        'q': 'hr_query',
        'qy': 'hr_query',
        'qx': 'lr_query',
        'k': 'key',
    }

    def __init__(
        self,
        lr_channels: int,
        hr_channels: int,
        kernel_size: int = 5,
        compressed_channels: int = 32,
        gated: bool = False,
        embedding: bool = True,
        norm: str | None = 'layer',
        bias: bool = True,
        with_cp: bool = False,
    ) -> None:
        super().__init__(lr_channels, hr_channels, with_cp)
        check_windows(kernel_size=kernel_size)
        check_positive(compressed_channels=compressed_channels)
        if norm not in _NORMS:
            raise ValueError(f'norm must be one of {tuple(_NORMS)}, got {norm!r}')
        if not embedding and (gated or lr_channels != hr_channels):
            raise ValueError(
                'embedding=False compares the two maps themselves: it wants gated=False and as many channels in each, '
                f'got gated={gated}, lr_channels={lr_channels} and hr_channels={hr_channels}'
            )
        self.kernel_size = kernel_size
        self.compressed_channels = compressed_channels
        self.gated = gated
        self.embedding = embedding
        self.norm = norm
        self.bias = bias
        self.lr_norm = _NORMS[norm](lr_channels)
        self.hr_norm = _NORMS[norm](hr_channels)
        self.key = nn.Conv2d(lr_channels, compressed_channels, 1, bias=bias) if embedding else nn.Identity()
        self.hr_query = nn.Conv2d(hr_channels, compressed_channels, 1, bias=bias) if embedding else nn.Identity()
        self.lr_query = nn.Conv2d(lr_channels, compressed_channels, 1, bias=bias) if gated else None
        self.gate = nn.Conv2d(lr_channels, 1, 1, bias=bias) if gated else None
        for conv in (self.key, self.hr_query, self.lr_query, self.gate):
            if isinstance(conv, nn.Conv2d):
                nn.init.trunc_normal_(conv.weight, std=0.02)
                if bias:
                    nn.init.zeros_(conv.bias)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for name in ('q', 'qy', 'qx', 'k', 'gate'):  # linear layers there, 1x1 convolutions here
            weight = state_dict.get(f'{prefix}{name}.weight')
            if weight is not None and weight.dim() == 2:
                state_dict[f'{prefix}{name}.weight'] = weight[..., None, None]
        super()._load_from_state_dict(state_dict, prefix, *args)

    def step(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        kernels = normalize_kernels(self._scores(lr_feat, guide), self.kernel_size)
        return carafe(lr_feat, kernels.to(lr_feat.dtype), self.kernel_size)

    def step_inside(self, lr_feat: Tensor, guide: Tensor) -> Inside:
        scores = self._scores(lr_feat, guide)
        kernels = normalize_kernels(scores, self.kernel_size)
        return Inside(tuple(lr_feat.shape[-2:]), by_taps(kernels, self.kernel_size), by_taps(scores, self.kernel_size))

    def _scores(self, lr_feat: Tensor, guide: Tensor) -> Tensor:
        """[B, k*k, H, W]."""
        normed = self.lr_norm(lr_feat)
        query, key = self.hr_query(self.hr_norm(guide)), self.key(normed)  # [B, C', H, W], [B, C', h, w]
        if self.gate is not None:
            gate = resize_nearest(self.gate(normed).sigmoid(), query.shape[-2:])
            query = gate * query + (1 - gate) * resize_nearest(self.lr_query(lr_feat), query.shape[-2:])
        dtype = torch.promote_types(query.dtype, key.dtype)  # maps of two, under autocast without an embedding
        return window_similarity(query.to(dtype), key.to(dtype), self.kernel_size)


_NORMS = {'layer': ChannelNorm, 'group': group_norm, None: lambda channels: nn.Identity()}
