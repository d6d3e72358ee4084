"""The vision transformer that hands its image on takes DINOv2's and timm's weights."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmseg', reason='the transformer is that of mmsegmentation')

from freqfusion_mm.models.backbones.vit_with_image import VisionTransformerWithImage  # noqa: E402

WIDTH, HEADS, PATCH, LAYERS = 24, 3, 14, 2


def weights(scales: bool) -> dict[str, torch.Tensor]:
    """Under the keys of the authors' file."""
    shapes = {
        'cls_token': (1, 1, WIDTH),
        'pos_embed': (1, 1 + 3 * 3, WIDTH),
        'patch_embed.proj.weight': (WIDTH, 3, PATCH, PATCH),
        'patch_embed.proj.bias': (WIDTH,),
        'norm.weight': (WIDTH,),
        'norm.bias': (WIDTH,),
    }
    for i in range(LAYERS):
        inside = {'attn.qkv': (3 * WIDTH, WIDTH), 'attn.proj': (WIDTH, WIDTH)}
        inside |= {'mlp.fc1': (4 * WIDTH, WIDTH), 'mlp.fc2': (WIDTH, 4 * WIDTH), 'norm1': (WIDTH,), 'norm2': (WIDTH,)}
        for name, shape in inside.items():
            shapes |= {f'blocks.{i}.{name}.weight': shape, f'blocks.{i}.{name}.bias': shape[:1]}
        if scales:
            shapes |= {f'blocks.{i}.ls1.gamma': (WIDTH,), f'blocks.{i}.ls2.gamma': (WIDTH,)}
    if scales:
        shapes['mask_token'] = (1, WIDTH)
    random = torch.Generator().manual_seed(0)
    return {name: 0.5 * torch.randn(shape, generator=random, dtype=torch.double) for name, shape in shapes.items()}


def by_definition(given: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """The last map of a transformer with layer scales."""

    def linear(feat, name):
        return F.linear(feat, given[f'{name}.weight'], given[f'{name}.bias'])

    def norm(feat, name):
        return F.layer_norm(feat, (WIDTH,), given[f'{name}.weight'], given[f'{name}.bias'], eps=1e-6)

    patches = F.conv2d(image, given['patch_embed.proj.weight'], given['patch_embed.proj.bias'], stride=PATCH)
    height, width = patches.shape[-2:]
    tokens = torch.cat([given['cls_token'].expand(len(image), -1, -1), patches.flatten(2).mT], 1) + given['pos_embed']
    for i in range(LAYERS):
        block = f'blocks.{i}'
        qkv = linear(norm(tokens, f'{block}.norm1'), f'{block}.attn.qkv').unflatten(-1, (3, HEADS, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + given.get(f'{block}.ls1.gamma', 1) * linear(attended, f'{block}.attn.proj')
        inner = F.gelu(linear(norm(tokens, f'{block}.norm2'), f'{block}.mlp.fc1'))
        tokens = tokens + given.get(f'{block}.ls2.gamma', 1) * linear(inner, f'{block}.mlp.fc2')
    return norm(tokens, 'norm')[:, 1:].mT.unflatten(2, (height, width))


def transformer(**options) -> VisionTransformerWithImage:
    sizes = dict(img_size=(42, 42), patch_size=PATCH, embed_dims=WIDTH, num_layers=LAYERS, num_heads=HEADS)
    norm = dict(norm_cfg=dict(type='LN', eps=1e-6), final_norm=True)
    return VisionTransformerWithImage(
        **sizes, **norm, interpolate_mode='bicubic', patch_bias=True, frozen_exclude=[], **options
    )


@pytest.mark.parametrize('scales', [True, False], ids=['DINOv2', 'timm'])
def test_the_authors_weights_give_the_authors_map(scales, assert_same):
    given, net = weights(scales), transformer().double()
    net.eval()  # which returns nothing
    net.load_state_dict(given, strict=True)
    image = torch.randn(2, 3, 42, 42, dtype=torch.double)
    feat, handed_on = net(image)
    assert_same(feat, by_definition(given, image))
    assert torch.equal(handed_on, image)
    again = transformer().double()
    again.load_state_dict(net.state_dict(), strict=True)  # its own keys
    assert set(given) == set(weights(scales)), 'the dictionary of the caller was changed'


def test_a_config_names_the_authors_file(tmp_path, assert_same):
    given = weights(scales=True)
    torch.save(given, tmp_path / 'dinov2.pth')
    net = transformer(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'dinov2.pth'))).double()
    net.init_weights()
    net.eval()
    image = torch.randn(1, 3, 42, 42, dtype=torch.double)
    assert_same(net(image)[0], by_definition(given, image))
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_registers_are_refused():
    with pytest.raises(ValueError, match='with registers'):
        transformer().load_state_dict(weights(scales=True) | {'register_tokens': torch.zeros(1, 4, WIDTH)})
