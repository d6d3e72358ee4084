"""Upsamplers side by side on one feature map: rows are upsamplers, columns are ratios, one step and steps of x2.

Colours are the first three principal components of the fine map; the number in a cell is the error of the
reconstruction relative to the map's variance.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..evaluation.analysis.joint_pca import JointPCA
from ..evaluation.analysis.upsampler_fit import Way, fit, reaches_directly

GAP, TITLE, LABEL = 6, 20, 110


def read_image(path: str, size: int) -> Tensor:
    """The middle square of a picture, RGB in [0, 1], [1, 3, size, size].

    Raises:
        ValueError: no picture that OpenCV can read.
    """
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f'{path}: no picture that OpenCV can read')
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = cv2.resize(
        picture[top : top + side, left : left + side, ::-1], (size, size), interpolation=cv2.INTER_AREA
    )
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None] / 255


def _write(picture: np.ndarray, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)


def compare_upsamplers(
    image: Tensor, fine: Tensor, names: list[str], ratios: list[int], steps: int, seed: int = 0
) -> np.ndarray:
    """The picture: a row of inputs, then a row an upsampler; two columns a ratio. Every fit starts from the seed."""
    palette, side = JointPCA([[fine[0].numpy()]]), image.shape[-1]
    columns = [(ratio, direct) for ratio in ratios for direct in (True, False) if direct or ratio > 2]
    rows = len(names) + 1
    sheet = np.full((TITLE + rows * (side + TITLE + GAP), LABEL + (len(columns) + 1) * (side + GAP), 3), 255, np.uint8)

    def draw(features: Tensor) -> np.ndarray:
        return palette(features[0].numpy())[..., ::-1]

    def put(row: int, column: int, cell: np.ndarray | None, text: str) -> None:
        y, x = TITLE + row * (side + TITLE + GAP), LABEL + column * (side + GAP)
        _write(sheet, text, x, y + TITLE - 6)
        if cell is not None:
            sheet[y + TITLE : y + TITLE + side, x : x + side] = cell

    _write(sheet, 'input', 4, 2 * TITLE + side // 2)
    put(0, 0, (255 * image[0].permute(1, 2, 0)).round().byte().numpy()[..., ::-1], 'image')
    for column, (ratio, direct) in enumerate(columns, start=1):
        coarse = draw(F.avg_pool2d(fine, ratio))
        put(
            0,
            column,
            np.kron(coarse, np.ones((ratio, ratio, 1), np.uint8)),
            f'/ {ratio}: {"one step" if direct else "steps of 2"}',
        )
    for row, name in enumerate(names, start=1):
        _write(sheet, name, 4, TITLE + row * (side + TITLE + GAP) + TITLE + side // 2)
        if row == 1:
            put(row, 0, draw(fine), 'fine map')
        for column, (ratio, direct) in enumerate(columns, start=1):
            if direct and ratio > 2 and not reaches_directly(name):
                put(row, column, None, 'no direct step')
                continue
            torch.manual_seed(seed)
            way = Way(name, fine.shape[1], ratio, direct and reaches_directly(name))
            fit(way, fine, image, ratio, steps)
            with torch.no_grad():
                out = way(F.avg_pool2d(fine, ratio), image)
            error = float((out - fine).square().mean() / fine.var(dim=(-2, -1)).mean().clamp(min=1e-12))
            put(row, column, draw(out), f'x{ratio}  {error:.3f}')
            print(f'{name:>14}  x{ratio:<3} {"one step   " if direct else "steps of x2"}  {error:.3f}', flush=True)
    return sheet
