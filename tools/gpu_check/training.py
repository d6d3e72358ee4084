"""A small segmentation network in torch alone, trained for some steps: that a loss falls, in each precision."""

import time
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freqfusion_mm.layers import build_fusion

from .hardware import Machine

UPSAMPLERS = ('bilinear', 'FreqFusion', 'ReSFU')
PRECISIONS = ('float32', 'bfloat16', 'compiled')
CLASSES = 4


class Net(nn.Module):
    """Four stages, a top-down path of fusions, a classifier at a quarter of the image's size."""

    def __init__(self, upsampler: str, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.stem = self._stage(3, width, 2)
        self.stages = nn.ModuleList(
            self._stage(before, after, 2) for before, after in zip([width, *widths[:-1]], widths)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(each, width, 1) for each in widths)
        options = dict(compressed_channels=max(width // 2, 8)) if upsampler == 'FreqFusion' else {}
        self.fusions = nn.ModuleList(
            build_fusion(dict(type=upsampler, **options), width, width) for _ in range(len(widths) - 1)
        )
        self.classify = nn.Conv2d(width, CLASSES, 1)

    @staticmethod
    def _stage(before: int, after: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, CLASSES, H, W]."""
        feats, feat = [], self.stem(images)
        for stage in self.stages:
            feat = stage(feat)
            feats.append(feat)
        feats = [lateral(feat) for lateral, feat in zip(self.laterals, feats)]
        coarse = feats.pop()
        for fusion in self.fusions:
            lr_up, hr_feat = fusion(coarse, feats.pop())
            coarse = lr_up + hr_feat
        return F.interpolate(self.classify(coarse), images.shape[-2:], mode='bilinear', align_corners=False)


def batch(size: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy images with three discs each, of three colours, and their classes; 0 is the background."""
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing='ij')
    labels = torch.zeros(count, size, size, dtype=torch.long)
    for label in range(1, CLASSES):
        y, x = (torch.rand(count, 1, 1, generator=generator) * size for _ in range(2))
        radius = size * (0.1 + 0.15 * torch.rand(count, 1, 1, generator=generator))
        labels[(rows - y) ** 2 + (cols - x) ** 2 < radius**2] = label
    colours = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    images = colours[labels].movedim(-1, 1) + 0.3 * torch.randn(count, 3, size, size, generator=generator)
    return images, labels


def run(upsampler: str, precision: str, machine: Machine, cpu: bool) -> dict:
    """Whether the loss falls to two thirds and stays a number; with the time of a step, and the peak of memory."""
    size, count, width, steps = (32, 2, 16, 12) if cpu else (256, 16, 64, 150)
    torch.manual_seed(0)
    net = Net(upsampler, width).to(machine.device)
    step_of = torch.compile(net, backend=machine.backend) if precision == 'compiled' else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    batches = [[part.to(machine.device) for part in batch(size, count, generator)] for _ in range(8)]

    def step(images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(machine.device.type, torch.bfloat16, enabled=precision == 'bfloat16'):
            logits = step_of(images)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    begin = time.perf_counter()
    losses = [step(*batches[0])]
    first = time.perf_counter() - begin
    peak = machine.peak(lambda: losses.append(step(*batches[1])))
    taken = []
    for index in range(2, steps):
        taken.append(machine.milliseconds(lambda data=batches[index % len(batches)]: losses.append(step(*data))))
    losses = torch.stack(losses).tolist()
    before, after = median(losses[:3]), median(losses[-5:])
    why = '' if after < before * 2 / 3 else f'the loss goes from {before:.3g} to {after:.3g}, not below two thirds'
    return dict(
        status='failed' if why else 'passed',
        why=why,
        arguments=f'{count} images of {size}x{size}, width {width}',
        training=dict(
            upsampler=upsampler,
            precision=precision,
            steps=steps,
            first_loss=before,
            last_loss=after,
            step_ms=median(taken),
            first_step_s=first,
            peak_mib=peak,
        ),
    )
