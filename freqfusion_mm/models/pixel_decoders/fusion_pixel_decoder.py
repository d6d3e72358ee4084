"""MaskFormer's two pixel decoders with a chosen fusion at each step of the top-down path.

Paper: Per-Pixel Classification is Not All You Need for Semantic Segmentation (NeurIPS 2021).
Source: subclasses of `PixelDecoder` and `TransformerEncoderPixelDecoder` of mmdet 3.3
    (Apache-2.0); ours replace the nearest upsampling and keep every weight name.
"""

from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.models.layers import PixelDecoder, TransformerEncoderPixelDecoder
from torch import Tensor

from ...layers import build_fusion
from ..fusions import DeepToShallow, KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionPixelDecoder(KeptInit, DeepToShallow, PixelDecoder):
    """Convolutional pixel decoder of MaskFormer with a chosen fusion.

    Convention:
        `fusions` join by addition, from deep to shallow. `dict(type='nearest')` is the stock
        decoder. Sizes are free.

    Args:
        in_channels: channels of the input maps, finest first.
        feat_channels: channels of every map inside.
        out_channels: channels of the mask feature.
        norm_cfg: normalisation of the conv blocks.
        act_cfg: activation of the conv blocks.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see
            `layers.read_upsample_cfg`.
        init_cfg: see mmengine's BaseModule.

    Raises:
        ValueError: in `forward`, maps of another number, shape, channels or batch.

    Example:
        >>> import torch
        >>> decoder = FusionPixelDecoder([4, 8], 32, 16, upsample_cfg=dict(type='FreqFusion'))
        >>> mask_feature, memory = decoder([torch.rand(1, 4, 9, 9), torch.rand(1, 8, 5, 5)], [{}])
        >>> mask_feature.shape, memory.shape
        (torch.Size([1, 16, 9, 9]), torch.Size([1, 8, 5, 5]))
    """

    hands_input_on = True  # see compat.maskformer_memory

    def __init__(
        self,
        in_channels: Sequence[int],
        feat_channels: int,
        out_channels: int,
        norm_cfg: dict | None = dict(type='GN', num_groups=32),
        act_cfg: dict | None = dict(type='ReLU'),
        upsample_cfg: str | type | dict = 'FreqFusion',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            feat_channels=feat_channels,
            out_channels=out_channels,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
        self.fusions = _fusions(upsample_cfg, feat_channels, self.num_inputs - 1, norm_cfg)

    def forward(self, feats: Sequence[Tensor], batch_img_metas: list[dict]) -> tuple[Tensor, Tensor]:
        """Decode a pyramid.

        Args:
            feats: maps [B, in_channels[i], H_i, W_i], finest first.
            batch_img_metas: not used; part of the decoders' common signature.

        Returns:
            The mask feature [B, out_channels, H_0, W_0] and the memory, which is the last input.
        """
        check_maps('FusionPixelDecoder', feats, self.in_channels)
        y = _top_down(self, self.last_feat_conv(feats[-1]), feats)
        return self.mask_feature(y), feats[-1]


@takes_fusion
class FusionTransformerEncoderPixelDecoder(KeptInit, DeepToShallow, TransformerEncoderPixelDecoder):
    """Pixel decoder of MaskFormer with a transformer encoder on the coarsest map.

    Convention:
        As `FusionPixelDecoder`: `dict(type='nearest')` is the stock decoder.

    Args:
        in_channels: channels of the input maps, finest first.
        feat_channels: channels of every map inside, equal to the encoder's embed_dims.
        out_channels: channels of the mask feature.
        norm_cfg: normalisation of the conv blocks.
        act_cfg: activation of the conv blocks.
        encoder: mmdet's DetrTransformerEncoder, without `type`.
        positional_encoding: mmdet's SinePositionalEncoding, without `type`.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see
            `layers.read_upsample_cfg`.
        init_cfg: see mmengine's BaseModule.

    Raises:
        ValueError: in `forward`, maps of another number, shape, channels or batch.

    Example:
        >>> import torch
        >>> attn = dict(embed_dims=32, num_heads=2, batch_first=True)
        >>> ffn = dict(embed_dims=32, feedforward_channels=32, num_fcs=2)
        >>> decoder = FusionTransformerEncoderPixelDecoder(
        ...     [4, 8], 32, 16, upsample_cfg=dict(type='FreqFusion'),
        ...     positional_encoding=dict(num_feats=16, normalize=True),
        ...     encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attn, ffn_cfg=ffn)))
        >>> metas = [dict(batch_input_shape=(36, 36), img_shape=(36, 30))]
        >>> outs = decoder([torch.rand(1, 4, 9, 9), torch.rand(1, 8, 5, 5)], metas)
        >>> [tuple(out.shape) for out in outs]
        [(1, 16, 9, 9), (1, 32, 5, 5)]
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        feat_channels: int,
        out_channels: int,
        norm_cfg: dict | None = dict(type='GN', num_groups=32),
        act_cfg: dict | None = dict(type='ReLU'),
        encoder: dict | None = None,
        positional_encoding: dict = dict(num_feats=128, normalize=True),
        upsample_cfg: str | type | dict = 'FreqFusion',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            feat_channels=feat_channels,
            out_channels=out_channels,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            encoder=encoder,
            positional_encoding=positional_encoding,
            init_cfg=init_cfg,
        )
        self.fusions = _fusions(upsample_cfg, feat_channels, self.num_inputs - 1, norm_cfg)

    def forward(self, feats: Sequence[Tensor], batch_img_metas: list[dict]) -> tuple[Tensor, Tensor]:
        """Decode a pyramid.

        Args:
            feats: maps [B, in_channels[i], H_i, W_i], finest first.
            batch_img_metas: one dict per image with `batch_input_shape` and `img_shape`
                (pixels): padding is hidden from the encoder.

        Returns:
            The mask feature [B, out_channels, H_0, W_0] and the memory, which is the encoder's
            output [B, feat_channels, H_-1, W_-1].
        """
        check_maps('FusionTransformerEncoderPixelDecoder', feats, self.in_channels)
        memory = self._encode(feats[-1], batch_img_metas)
        y = _top_down(self, self.encoder_out_proj(memory), feats)
        return self.mask_feature(y), memory

    def _encode(self, feat: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """The coarsest map [B, C, h, w] through the encoder, [B, feat_channels, h, w]."""
        image = batch_img_metas[0]['batch_input_shape']
        padded = feat.new_ones((feat.shape[0], 1, *image), dtype=torch.float32)
        for mask, meta in zip(padded, batch_img_metas):
            height, width = meta['img_shape'][:2]
            mask[:, :height, :width] = 0
        padded = F.interpolate(padded, size=feat.shape[-2:])[:, 0].bool()  # [B, h, w]
        tokens = self.encoder(
            query=self.encoder_in_proj(feat).flatten(2).transpose(1, 2),  # [B, h*w, C]
            query_pos=self.positional_encoding(padded).flatten(2).transpose(1, 2),
            key_padding_mask=padded.flatten(1),
        )
        return tokens.transpose(1, 2).unflatten(2, feat.shape[-2:])


def _fusions(upsample_cfg: str | type | dict, channels: int, number: int, norm_cfg: dict | None) -> nn.ModuleList:
    return nn.ModuleList(build_fusion(upsample_cfg, channels, channels, norm_cfg=norm_cfg) for _ in range(number))


def _top_down(decoder: PixelDecoder, y: Tensor, feats: Sequence[Tensor]) -> Tensor:
    """Fuse the coarse map `y` into the finer inputs, down to the finest."""
    for fusion, i in zip(decoder.fusions, range(len(feats) - 2, -1, -1)):
        lr_up, hr_feat = fusion(y, decoder.lateral_convs[i](feats[i]))
        y = decoder.output_convs[i](hr_feat + lr_up)
    return y
