"""What the literal loops of upsamplers by 2 x 2 squares of a map are made of."""

import torch

#: Ratio 2, sizes around it that one step reaches, no ratio at all, and one pixel.
SIZES = [
    ((2, 3), (4, 6)),
    ((2, 3), (3, 5)),
    ((2, 3), (5, 7)),
    ((2, 3), (2, 3)),
    ((3, 4), (5, 4)),
    ((1, 1), (1, 1)),
    ((1, 2), (2, 2)),
]


def maps(size, fine, lr_channels=4, hr_channels=4, batch=2, **options):
    options = {'dtype': torch.float64, **options}
    return torch.randn(batch, lr_channels, *size, **options), torch.randn(batch, hr_channels, *fine, **options)


def randomised(layer):
    """No parameter at a value that would hide it, such as the 1 and 0 of norms."""
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, std=6)  # ReLU6 has work at both ends
    return layer.double()


def assert_equal_results(layer, oracle, lr_feat, hr_feat, assert_same):
    """Outputs and every gradient."""
    inputs = [lr_feat.requires_grad_(), hr_feat.requires_grad_(), *layer.parameters()]
    actual, expected = layer(lr_feat, hr_feat), oracle(layer, lr_feat, hr_feat)
    assert_same(actual, expected, 'out')
    grad = torch.randn_like(expected)
    names = ['lr_feat', 'hr_feat', *(name for name, _ in layer.named_parameters())]
    pairs = zip(names, *(torch.autograd.grad(out, inputs, grad) for out in (actual, expected)))
    for name, ours, theirs in pairs:
        assert_same(ours, theirs, f'gradient of {name}')


def pixel(x, y, c):
    """x[..., y, c] of a map with zeros around."""
    inside = 0 <= y < x.shape[-2] and 0 <= c < x.shape[-1]
    return x[..., y, c] if inside else torch.zeros_like(x[..., 0, 0])


def grid(pixel_of, height, width):
    """A map [..., height, width] of its pixels."""
    return torch.stack([torch.stack([pixel_of(y, x) for x in range(width)], -1) for y in range(height)], -2)


def squares(x):
    """Rows and columns of 2 x 2 squares that cover a map, and the map that has whole ones."""
    height, width = x.shape[-2:]
    h, w = (height + 1) // 2, (width + 1) // 2
    return h, w, grid(lambda y, c: x[..., min(y, height - 1), min(c, width - 1)], 2 * h, 2 * w)
