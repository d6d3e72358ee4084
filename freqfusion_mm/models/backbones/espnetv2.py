"""ESPNetv2: five stages of EESP blocks.

Paper: ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network, CVPR 2019,
    arXiv 1811.11431.
Source: sacmehta/ESPNetv2 (b78e323, MIT) and sacmehta/EdgeNets (2b232d3, MIT), written anew. Ours hands out every stage
    and takes any image size.
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from freqfusion_mm.layers import EESP, ConvNormAct, EESPDown, ReferenceNames

from .norm_eval import NormEval

#: scale -> channels of the stages 1 to 5, and of the classifier's last convolution.
WIDTHS = {
    0.5: (16, 32, 64, 128, 256, 1024),
    1.0: (32, 64, 128, 256, 512, 1024),
    1.25: (32, 80, 160, 320, 640, 1024),
    1.5: (32, 96, 192, 384, 768, 1024),
    2.0: (32, 128, 256, 512, 1024, 1280),
}
#: EESP blocks after the down-sampler of the stages 2 to 5, and the receptive limits of both.
DEPTHS = (0, 3, 7, 3)
DOWN_LIMITS = (13, 11, 9, 7)
BLOCK_LIMITS = (None, 9, 7, 5)


class ESPNetV2(ReferenceNames, NormEval, BaseModule):
    """A convolution and four stages of EESP blocks, at strides 2, 4, 8, 16 and 32.

    Convention:
        Each halving rounds the size up. `out_channels` says what the maps have. Stages after the last of `out_indices`
        are not built.

    Args:
        scale: width: 0.5, 1.0, 1.25, 1.5 or 2.0.
        out_indices: of the stages to hand out (0: stride 2, ..., 4: stride 32).
        final_convs: the classifier's last two convolutions (depth-wise 3x3, 1x1 to 1024 or 1280) end the last stage.
        reinforce_last: image reinforcement in the stride-32 stage, too, as EdgeNets' detector has it. The released
            classifiers and segmentors build it but never feed it: without it, its weights are kept, frozen, so that
            checkpoints and parameter counts are the same.
        chain: of the hierarchical fusion: 'all' (released), 'dilated' or 'none', see `layers.hierarchical_fusion`.
        in_channels: of the image.
        norm_eval: keep the BatchNorm statistics fixed during training.
        init_cfg: mmengine's; the weights start as torch initialises them. The author's ImageNet files load as they
            are: `dict(type='Pretrained', checkpoint=FILE)`.

    Raises:
        ValueError: options outside the above.

    Example:
        >>> import torch
        >>> [tuple(out.shape[1:]) for out in ESPNetV2(1.0)(torch.rand(1, 3, 360, 640))]
        [(64, 90, 160), (128, 45, 80), (256, 23, 40), (512, 12, 20)]
    """

    reference_keys = {
        'level1': 'stem',
        'level2_0': 'down2',
        'level3_0': 'down3',
        'level3': 'stage3',
        'level4_0': 'down4',
        'level4': 'stage4',
        'level5_0': 'down5',
        **{f'level5.{i}': f'stage5.{i}' for i in range(3)},
        'level5.3': 'final.0',
        'level5.4': 'final.1',
        'classifier': None,
    }

    def __init__(
        self,
        scale: float = 1.0,
        out_indices: Sequence[int] = (1, 2, 3, 4),
        final_convs: bool = False,
        reinforce_last: bool = False,
        chain: str = 'all',
        in_channels: int = 3,
        norm_eval: bool = False,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if scale not in WIDTHS:
            raise ValueError(f'scale must be one of {tuple(WIDTHS)}, got {scale}')
        if not set(out_indices) <= set(range(5)) or not out_indices:
            raise ValueError(f'out_indices must be some of 0 to 4, got {tuple(out_indices)}')
        if final_convs and 4 not in out_indices:
            raise ValueError(f'final_convs end the stage of index 4, which is not in out_indices={tuple(out_indices)}')
        *widths, final = WIDTHS[scale]
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        self.out_channels = [final if i == 4 and final_convs else widths[i] for i in out_indices]
        self.num_stages = max(out_indices) + 1

        self.stem = ConvNormAct(in_channels, widths[0], 3, stride=2)
        for i in range(1, self.num_stages):
            self.add_module(
                f'down{i + 1}',
                EESPDown(
                    widths[i - 1],
                    widths[i],
                    receptive_limit=DOWN_LIMITS[i - 1],
                    chain=chain,
                    image_channels=in_channels,
                    reinforce=i < 4 or reinforce_last,
                ),
            )
            if DEPTHS[i - 1]:
                self.add_module(
                    f'stage{i + 1}',
                    nn.ModuleList(
                        EESP(widths[i], widths[i], receptive_limit=BLOCK_LIMITS[i - 1], chain=chain)
                        for _ in range(DEPTHS[i - 1])
                    ),
                )
        self.final = (
            nn.Sequential(
                ConvNormAct(widths[4], widths[4], 3, groups=widths[4]), ConvNormAct(widths[4], final, groups=4)
            )
            if final_convs
            else None
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """[B, in_channels, H, W] -> the maps of `out_indices`."""
        feat = self.stem(image)
        outs = [feat]
        for i in range(2, self.num_stages + 1):
            down = getattr(self, f'down{i}')
            feat = down(feat, image if down.reinforce else None)
            for block in getattr(self, f'stage{i}', ()):
                feat = block(feat)
            outs.append(feat)
        if self.final is not None:
            outs[-1] = self.final(feat)
        return tuple(outs[i] for i in self.out_indices)


class ESPNetV2WithImage(ESPNetV2):
    """`ESPNetV2` whose last output is the (normalised) input image, for a head that is guided by it.

    Example:
        >>> import torch
        >>> backbone = ESPNetV2WithImage(0.5, out_indices=(3,))
        >>> [tuple(out.shape) for out in backbone(torch.zeros(1, 3, 64, 48))]
        [(1, 128, 4, 3), (1, 3, 64, 48)]
    """

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """[B, in_channels, H, W] -> the maps of `out_indices`, and the image."""
        return (*super().forward(image), image)
