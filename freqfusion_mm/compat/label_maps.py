"""mmseg reads label maps of more than 256 numbers, and thin ones, as they are.

Lacking: mmseg's `LoadAnnotations` (1.2.2; onedl 1.4.2) keeps the lowest 8 bits of each number, so that class 299 of a
    16-bit map becomes 43; of a map one pixel wide it drops an axis; colours pass as a map [H, W, 3], whose use then
    fails elsewhere or not at all.
Changes: numbers up to 65535 are kept (as uint16 where they exceed 255), maps are always [H, W], and what is no map of
    numbers is refused by name. Other maps are read as before, but for ignored pixels that 16 bits write as 65535: they
    are no 255 any more, so that head and metric want `ignore_index=65535`.
Goes: when mmseg reads them.
"""

from importlib.util import find_spec

import numpy as np


def apply() -> None:
    """Makes mmseg's `LoadAnnotations`, and what derives from it, read label maps as they are."""
    if not find_spec('mmseg'):
        return
    from mmseg.datasets.transforms import LoadAnnotations

    LoadAnnotations._load_seg_map = _load_seg_map


def class_numbers(pixels: np.ndarray, path: str) -> np.ndarray:
    """Decoded pixels of a label map as numbers [H, W]: uint8, or uint16 where they exceed 255; -1 becomes 255.

    Raises:
        ValueError: several channels, numbers that are not whole or do not fit; -1 beside numbers that exceed 255.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2:
        raise ValueError(
            f'the label map {path} holds {pixels.shape[-1]} channels; it must have one number a pixel (grey, or a '
            'palette): turn colours into class numbers first'
        )
    whole = pixels.dtype.kind != 'f' or bool((np.isfinite(pixels) & (pixels == np.round(pixels))).all())
    low, high = (pixels.min(), pixels.max()) if pixels.size else (0, 0)
    if not whole or low < -1 or high > 65535:
        raise ValueError(
            f'the label map {path} holds numbers from {low} to {high} of type {pixels.dtype}; class numbers are whole, '
            '0 to 65535 (-1: ignored)'
        )
    if low == -1 and high > 255:
        raise ValueError(
            f'the label map {path} holds -1, which stands for 255, and numbers up to {high}, where 255 is a class: '
            'name the ignored number 65535 in every map (and give head and metric ignore_index=65535)'
        )
    if low == -1:
        return np.where(pixels == -1, 255, pixels).astype(np.uint8)
    return pixels.astype(np.uint8 if high <= 255 else np.uint16)


def _load_seg_map(self, results: dict) -> None:
    """In the place of mmseg's method."""
    import mmcv
    from mmengine import fileio

    path = results['seg_map_path']
    content = fileio.get(path, backend_args=self.backend_args)
    pixels = mmcv.imfrombytes(content, flag='unchanged', backend=self.imdecode_backend)
    if pixels is None:
        raise ValueError(f'the label map {path} cannot be decoded')
    labels = class_numbers(pixels, path)
    if self.reduce_zero_label is None:
        self.reduce_zero_label = results['reduce_zero_label']
    if self.reduce_zero_label != results['reduce_zero_label']:
        raise ValueError(
            f'the data set has reduce_zero_label={results["reduce_zero_label"]}, LoadAnnotations has '
            f'{self.reduce_zero_label}: set it at the data set alone'
        )
    if self.reduce_zero_label:
        if labels.dtype != np.uint8:
            raise ValueError(
                f'the label map {path} holds numbers up to {labels.max()}: reduce_zero_label would turn 0 into 255, '
                'which is a class here; count the classes from 0, or name the ignored number 65535 (and give head and '
                'metric ignore_index=65535)'
            )
        labels = np.where(labels == 0, 255, labels - 1).astype(np.uint8)
        labels[labels == 254] = 255  # 255 was ignored before
    if results.get('label_map') is not None:
        found = labels.copy()
        if max(results['label_map'].values(), default=0) > 255:
            labels = labels.astype(np.uint16)
        for old, new in results['label_map'].items():
            labels[found == old] = new
    results['gt_seg_map'] = labels
    results['seg_fields'].append('gt_seg_map')
