"""ESPNet and ESPNetv2 against the author's released weights: logits, names and parameter counts."""

from functools import partial

import pytest
import torch
from torch import nn

pytest.importorskip('mmseg')

from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint  # noqa: E402
from freqfusion_mm.apis.reference_checkpoint import with_our_paths  # noqa: E402
from freqfusion_mm.models.backbones import ESPNet, ESPNetV2  # noqa: E402
from freqfusion_mm.models.decode_heads import EESPNetSegHead, ESPNetCHead, ESPNetHead, ESPNetV2Head  # noqa: E402


class Network(nn.Module):
    """Backbone and head, with the logits as the author's network returns them."""

    def __init__(self, backbone, decode_head):
        super().__init__()
        self.backbone, self.decode_head = backbone, decode_head

    def forward(self, image):
        logits = self.decode_head(self.backbone(image))
        if not self.decode_head.align_corners:
            return logits
        return nn.functional.interpolate(logits, image.shape[-2:], mode='bilinear', align_corners=True)


def espnet_c(blocks, classes=20, **options):
    backbone = ESPNet((2, blocks), **options)
    return Network(
        backbone, ESPNetCHead(in_channels=backbone.out_channels[2], in_index=2, channels=1, num_classes=classes)
    )


def espnet(blocks, classes=20, **options):
    backbone = ESPNet((2, blocks), **options)
    return Network(
        backbone, ESPNetHead(in_channels=backbone.out_channels, in_index=[0, 1, 2], channels=1, num_classes=classes)
    )


def espnetv2(scale, classes=20, head=ESPNetV2Head):
    backbone = ESPNetV2(scale, out_indices=(0, 1, 2, 3))
    return Network(
        backbone,
        head(
            in_channels=backbone.out_channels,
            in_index=[0, 1, 2, 3],
            channels=1,
            num_classes=classes,
            align_corners=True,
        ),
    )


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


#: network, file of released weights, recorded logits
RELEASED = [
    (partial(espnet_c, 8), 'espnet_c_p_2_q_8', 'espnet_c_p2_q8_logits'),
    (partial(espnet, 5), 'espnet_p_2_q_5', 'espnet_p2_q5_logits'),
    (partial(espnet, 8), 'espnet_p_2_q_8', 'espnet_p2_q8_logits'),
    (partial(espnetv2, 0.5), 'espnetv2_s_0.5_city_1024x512', 'espnetv2_s0.5_city_logits'),
    (partial(espnetv2, 2.0), 'espnetv2_s_2.0_city_1024x512', 'espnetv2_s2.0_city_logits'),
]


@pytest.mark.parametrize('build, weights, logits', RELEASED)
def test_released_weights_give_the_authors_logits(build, weights, logits, golden, shared, assert_parity):
    case = golden(logits)
    state_dict = case['state_dict'] if 'state_dict' in case else read_checkpoint(shared(f'weights/{weights}.pth'))
    network = build(classes=case['logits'].shape[1]).to(case['x'].dtype).eval()
    load_strictly(network, with_our_paths(state_dict), weights)
    with torch.no_grad():
        assert_parity(network(case['x']), case['logits'], weights)


@pytest.mark.parametrize(
    'build, expected',
    [
        (lambda: espnet_c(3), 187529),
        (lambda: espnet_c(5), 252297),
        (lambda: espnet_c(8), 349449),
        (lambda: espnet_c(3, image_reinforcement=False), 186512),
        (lambda: espnet(3), 202649),
        (lambda: espnet(5), 267417),
        (lambda: espnet(8), 364569),
        (lambda: espnet(3, fine_map='reinforced'), 203189),
        (lambda: espnet(5, fine_map='reinforced'), 267957),
        (lambda: espnet(8, fine_map='reinforced'), 365109),
        (lambda: espnet(8, classes=12, fine_map='reinforced'), 354517),
        (lambda: espnetv2(0.5), 80342),
        (lambda: espnetv2(1.0), 234010),
        (lambda: espnetv2(1.5), 468362),
        (lambda: espnetv2(2.0), 789242),
        (lambda: espnetv2(0.5, classes=21), 80353),
        (lambda: espnetv2(2.0, classes=21), 789253),
        (lambda: espnetv2(0.5, head=EESPNetSegHead), 99418),
        (lambda: espnetv2(1.0, head=EESPNetSegHead), 340782),
        (lambda: espnetv2(1.5, head=EESPNetSegHead), 725166),
    ],
)
def test_parameter_counts(build, expected):
    assert count(build()) == expected


@pytest.mark.parametrize(
    'scale, expected', [(0.5, 1241332), (1.0, 1670072), (1.25, 1965440), (1.5, 2314856), (2.0, 3498136)]
)
def test_classifier_parameter_counts(scale, expected):
    backbone = ESPNetV2(scale, out_indices=(4,), final_convs=True)
    assert count(backbone) + count(nn.Linear(*backbone.out_channels, 1000)) == expected
