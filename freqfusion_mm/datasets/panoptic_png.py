"""The COCO panoptic PNG: a segment id per pixel, written as a colour."""

from collections.abc import Collection

import mmcv
import mmengine.fileio
import numpy as np


def colours_to_ids(colours: np.ndarray) -> np.ndarray:
    """Turn colours into segment ids, R + 256 G + 65536 B; black is 0, no segment (void).

    Args:
        colours: RGB, uint8 [H, W, 3].

    Returns:
        Segment ids, int32 [H, W].

    Example:
        >>> colours_to_ids(np.array([[[1, 2, 3], [0, 0, 0]]], dtype=np.uint8))
        array([[197121,      0]], dtype=int32)
    """
    if colours.ndim != 3 or colours.shape[2] != 3 or colours.dtype != np.uint8:
        raise ValueError(f'a panoptic PNG wants uint8 [H, W, 3], got {colours.dtype} {list(colours.shape)}')
    return colours.astype(np.int32) @ np.array([1, 256, 65536], np.int32)


def read_panoptic_png(path: str, backend_args: dict | None = None, imdecode_backend: str = 'cv2') -> np.ndarray:
    """Read the segment ids of a panoptic PNG, int32 [H, W].

    Args:
        path: of the PNG.
        backend_args: of mmengine's file client.
        imdecode_backend: mmcv's image reader.

    Raises:
        RuntimeError: if the file is not there or, with the backend 'cv2', is no image; others raise their own.
    """
    try:
        content = mmengine.fileio.get(path, backend_args=backend_args)
    except FileNotFoundError:
        raise RuntimeError(f"the panoptic label '{path}' is missing; check data_root and data_prefix['seg']") from None
    # BGR: asked for RGB, mmcv fails on a broken image instead of returning None.
    colours = mmcv.imfrombytes(content, flag='color', backend=imdecode_backend) if content else None
    if colours is None:
        raise RuntimeError(
            f"the panoptic label '{path}' is not an image ({len(content)} bytes); write or download it again"
        )
    return colours_to_ids(colours[..., ::-1])


def check_segments(ids: np.ndarray, listed: Collection[int], path: str) -> None:
    """Refuse a panoptic PNG that belongs to another JSON.

    Args:
        ids: segment ids, int [H, W].
        listed: the ids that the JSON lists for the image.
        path: of the PNG, for the error message.

    Raises:
        ValueError: ids are listed, and the PNG holds none of them.
    """
    if listed and not np.isin(ids, list(listed)).any():
        raise ValueError(
            f"the panoptic label '{path}' holds none of the {len(listed)} segments that the JSON lists for it, such as "
            f'{min(listed)}; it holds {np.unique(ids)[:3].tolist()}. Do PNG and JSON belong together, and was the PNG '
            'not written anew as gray or with a palette?'
        )
