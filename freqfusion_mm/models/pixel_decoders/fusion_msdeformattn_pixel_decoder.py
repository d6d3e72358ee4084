"""Mask2Former's pixel decoder with a chosen fusion, after the encoder and, if wanted, before it.

Paper: Masked-attention Mask Transformer for Universal Image Segmentation (CVPR 2022).
Source: subclass of `MSDeformAttnPixelDecoder` of mmdet 3.3 (Apache-2.0), which keeps every
    weight name. The placing of three fusions is that of `FreqAwareMSDeformAttnPixelDecoder2`,
    github.com/Linwei-Chen/FreqFusion (no licence), made for detectron2; written anew.
"""

from collections.abc import Sequence

import torch
import torch.nn as nn
from mmdet.models.layers import MSDeformAttnPixelDecoder
from torch import Tensor

from ...layers import build_fusion
from ..fusions import KeptInit, takes_fusion
from ..levels import check_maps


@takes_fusion
class FusionMSDeformAttnPixelDecoder(KeptInit, MSDeformAttnPixelDecoder):
    """Pixel decoder of Mask2Former: deformable attention, then a fusion into the finest map.

    Convention:
        `dict(type='bilinear')` with `fuse_inputs=False` is the stock decoder. `fusions` join
        by addition; those after the encoder come first, deep to shallow. The released FreqFusion
        form (three fusions for four inputs) is `fuse_inputs=True, upsample_cfg=dict(
        type='FreqFusion', hamming_window=False, compressed_channels=64, resample_norm=False)`.

    Args:
        in_channels: channels of the input maps, finest first.
        strides: strides of the input maps.
        feat_channels: channels of every map inside.
        out_channels: channels of the mask feature.
        num_outs: number of maps that are handed to the transformer decoder.
        norm_cfg: normalisation of the conv blocks.
        act_cfg: activation of the conv blocks.
        encoder: mmdet's Mask2FormerTransformerEncoder, without `type`; its `num_levels` is
            the number of inputs, from the coarsest, that pass through it.
        positional_encoding: mmdet's SinePositionalEncoding, without `type`.
        upsample_cfg: the fusion: a name, or `dict(type=..., **options)`; see
            `layers.read_upsample_cfg`.
        fuse_inputs: fuse the projected inputs of the encoder too, deep to shallow
            (`input_fusions`).
        init_cfg: see mmengine's BaseModule.

    Raises:
        ValueError: in `forward`, maps of another number, shape, channels or batch.

    Example:
        >>> import torch
        >>> from mmengine.config import ConfigDict
        >>> attn = dict(embed_dims=32, num_heads=2, num_levels=1, batch_first=True)
        >>> ffn = dict(embed_dims=32, feedforward_channels=32, num_fcs=2)
        >>> decoder = FusionMSDeformAttnPixelDecoder(
        ...     [4, 8], [4, 8], 32, 16, num_outs=1, upsample_cfg=dict(type='FreqFusion'),
        ...     positional_encoding=dict(num_feats=16, normalize=True),
        ...     encoder=ConfigDict(num_layers=1, layer_cfg=dict(self_attn_cfg=attn, ffn_cfg=ffn)))
        >>> mask, maps = decoder([torch.rand(1, 4, 9, 9), torch.rand(1, 8, 5, 5)])
        >>> mask.shape, maps[0].shape
        (torch.Size([1, 16, 9, 9]), torch.Size([1, 32, 5, 5]))
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512, 1024, 2048),
        strides: Sequence[int] = (4, 8, 16, 32),
        feat_channels: int = 256,
        out_channels: int = 256,
        num_outs: int = 3,
        norm_cfg: dict | None = dict(type='GN', num_groups=32),
        act_cfg: dict | None = dict(type='ReLU'),
        encoder: dict | None = None,
        positional_encoding: dict = dict(num_feats=128, normalize=True),
        upsample_cfg: str | type | dict = 'FreqFusion',
        fuse_inputs: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            strides=strides,
            feat_channels=feat_channels,
            out_channels=out_channels,
            num_outs=num_outs,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            encoder=encoder,
            positional_encoding=positional_encoding,
            init_cfg=init_cfg,
        )
        self.in_channels = list(in_channels)

        def fusions(number: int) -> nn.ModuleList:
            return nn.ModuleList(
                build_fusion(upsample_cfg, feat_channels, feat_channels, norm_cfg=norm_cfg) for _ in range(number)
            )

        self.input_fusions = fusions(self.num_encoder_levels - 1) if fuse_inputs else None
        self.fusions = fusions(self.num_input_levels - self.num_encoder_levels)

    def keep_init(self) -> list[nn.Module]:
        return [*self.fusions, *(self.input_fusions or ())]

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Decode a pyramid.

        Args:
            feats: maps [B, in_channels[i], H_i, W_i], finest first.

        Returns:
            The mask feature [B, out_channels, H_0, W_0], and `num_outs` maps
            [B, feat_channels, h, w], coarsest first.
        """
        check_maps('FusionMSDeformAttnPixelDecoder', feats, self.in_channels)
        deep = list(feats[::-1])
        maps = [conv(x) for conv, x in zip(self.input_convs, deep)]
        if self.input_fusions is not None:
            for i, fusion in enumerate(self.input_fusions):
                lr_up, hr_feat = fusion(maps[i], maps[i + 1])
                maps[i + 1] = hr_feat + lr_up
        outs = self._encode(maps)
        shallow = deep[self.num_encoder_levels :]
        for fusion, lateral, output, x in zip(self.fusions, self.lateral_convs, self.output_convs, shallow):
            lr_up, hr_feat = fusion(outs[-1], lateral(x))
            outs.append(output(hr_feat + lr_up))
        return self.mask_feature(outs[-1]), outs[: self.num_outs]

    def _encode(self, maps: list[Tensor]) -> list[Tensor]:
        """The projected maps, coarsest first, through the encoder; shapes unchanged."""
        batch, device = maps[0].shape[0], maps[0].device
        shapes = [tuple(m.shape[-2:]) for m in maps]
        masks = [m.new_zeros((batch, *m.shape[-2:]), dtype=torch.bool) for m in maps]
        positions, points = [], []
        for i, (h, w) in enumerate(shapes):
            level_code = self.level_encoding.weight[i].view(1, -1, 1, 1)
            code = level_code + self.postional_encoding(masks[i])
            positions.append(code.flatten(2).transpose(1, 2))
            level = self.num_input_levels - i - 1
            pixels = self.point_generator.single_level_grid_priors((h, w), level, device=device)
            points.append(pixels / (pixels.new_tensor([w, h]) * self.strides[level]))
        sizes = torch.tensor(shapes, dtype=torch.long, device=device)
        starts = torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)[:-1]])
        points = torch.cat(points)[None, :, None].repeat(batch, 1, len(maps), 1)
        memory = self.encoder(
            query=torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1),  # [B, sum hw, C]
            query_pos=torch.cat(positions, dim=1),
            key_padding_mask=torch.cat([m.flatten(1) for m in masks], dim=1),
            spatial_shapes=sizes,
            reference_points=points,
            level_start_index=starts,
            valid_ratios=points.new_ones((batch, len(maps), 2)),
        )
        tokens = memory.transpose(1, 2).split([h * w for h, w in shapes], dim=-1)
        return [t.unflatten(2, shape) for t, shape in zip(tokens, shapes)]
