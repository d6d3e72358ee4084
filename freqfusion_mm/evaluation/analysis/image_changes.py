"""What a test image may suffer without losing its meaning: the corruptions of ImageNet-C, and small shifts.

Both are steps of a test pipeline, put right after the one that loads the image.
"""

import contextlib
import hashlib
import inspect
import io
from collections.abc import Sequence

import numpy as np

INSTALL = 'install it: pip install imagecorruptions-imaug==1.1.5 (with scikit-image and numba)'
GROUPS = ('common', 'noise', 'blur', 'weather', 'digital', 'validation', 'all')
SMALLEST = 32
#: Bytes of corrupted images that are kept at most; beyond, each is computed whenever it is asked for.
KEPT = 2 * 1024**3


def corruption_names(names: Sequence[str] = ('common',)) -> list[str]:
    """Names of corruptions, a group's name (`GROUPS`) replaced by those of its members; 'common' are ImageNet-C's 15.

    Raises:
        ImportError: imagecorruptions is not installed.
        ValueError: unknown name.
    """
    get_corruption_names = _imagecorruptions().get_corruption_names
    known = get_corruption_names('all')
    unknown = [name for name in names if name not in (*GROUPS, *known)]
    if unknown:
        raise ValueError(
            f'unknown corruption {", ".join(map(repr, unknown))}: choose from {", ".join(known)}, or a '
            f'group of them: {", ".join(GROUPS)}'
        )
    wanted = [member for name in names for member in (get_corruption_names(name) if name in GROUPS else [name])]
    return list(dict.fromkeys(wanted))


def _imagecorruptions():
    try:
        import imagecorruptions
    except ImportError as error:
        raise ImportError(f'the corruptions of ImageNet-C need imagecorruptions ({error}); {INSTALL}') from None
    return imagecorruptions


class Corruption:
    """Pipeline step: corrupts `results['img']` as ImageNet-C does.

    Paper: Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019, arXiv 1903.12261;
        the code is imagecorruptions', for images of any size from 32x32 pixels on.

    Convention:
        The image is BGR, as the frameworks load it; the corruption sees RGB. The random numbers are seeded by the
        image's pixels, the name and the severity: equal images are corrupted equally, in any order and any process.
        What was computed is kept, up to `KEPT` bytes, so that further models that read the same images need not wait
        for it.

    Args:
        name: one of `corruption_names(['all'])`.
        severity: 1 to 5.

    Raises:
        ImportError: imagecorruptions is not installed.
        ValueError: unknown name or severity; on a call, an image smaller than 32x32, or not [H, W, 3] of 0..255.
    """

    def __init__(self, name: str, severity: int) -> None:
        if name not in corruption_names(['all']):
            raise ValueError(f'name must be that of one corruption, got {name!r}, which is unknown or a group')
        if severity not in range(1, 6):
            raise ValueError(f'severity must be an integer from 1 to 5, got {severity!r}')
        self.name = name
        self.severity = severity
        self._corrupted: dict[bytes, np.ndarray] = {}

    def __call__(self, results: dict) -> dict:
        results['img'] = self.corrupt(results['img'])
        return results

    def corrupt(self, image: np.ndarray) -> np.ndarray:
        """BGR [H, W, 3], values 0..255, -> the same, corrupted, in the same dtype."""
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < SMALLEST:
            raise ValueError(
                f'a corruption wants images [H, W, 3] of at least {SMALLEST}x{SMALLEST} pixels, got shape {image.shape}'
            )
        if image.min() < 0 or image.max() > 255:
            raise ValueError(
                'a corruption wants values from 0 to 255, as loaded from a file, got '
                f'{image.min():g} to {image.max():g}'
            )
        pixels = np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)
        digest = hashlib.sha256(f'{self.name} {self.severity} {pixels.shape}'.encode() + pixels.tobytes()).digest()
        corrupted = self._corrupted.get(digest)
        if corrupted is None:
            corrupted = self._compute(pixels, int.from_bytes(digest[:4], 'little'))[..., ::-1]
            if (len(self._corrupted) + 1) * corrupted.nbytes <= KEPT:
                self._corrupted[digest] = corrupted
        return corrupted.astype(image.dtype)  # a copy: a later step may write into it

    def _compute(self, pixels: np.ndarray, seed: int) -> np.ndarray:
        library = _imagecorruptions()
        function = library.corruptions.__dict__[self.name]
        # Two of the functions draw from a generator of their own; the others from NumPy's global one.
        own = {'seed': seed} if 'seed' in inspect.signature(function).parameters else {}
        state = np.random.get_state()
        np.random.seed(seed)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints where it had to crop a layer
                return library.corrupt(pixels, self.severity, self.name, **own)
        finally:
            np.random.set_state(state)


class Shift:
    """Pipeline step: moves the window through which `results['img']` is seen, down and to the right.

    Convention:
        `out[y, x] = image[y + down, x + right]`; the image is continued by its reflection, the edge not repeated, so
        that the window keeps its size, and the network its grid. A prediction p' of the moved image stands for the
        pixels `p[down:, right:]` of the unmoved one. Only the pixels that both windows see are compared; what the
        reflection shows is not.

    Args:
        down, right: pixels, not negative.

    Example:
        >>> shift = Shift(0, 1)
        >>> shift({'img': np.array([[0, 1, 2, 3]])})['img']
        array([[1, 2, 3, 2]])
        >>> shift.agreement(np.array([[5, 6, 6, 7]]), np.array([[6, 6, 5, 9]]))  # 6 6 7 against 6 6 5
        0.6666666666666666
    """

    def __init__(self, down: int, right: int) -> None:
        if min(down, right) < 0:
            raise ValueError(f'down and right must not be negative, got {down} and {right}')
        self.down = down
        self.right = right

    def __call__(self, results: dict) -> dict:
        image = results['img']
        if self.down >= image.shape[0] or self.right >= image.shape[1]:
            raise ValueError(
                f'a shift must be smaller than the image, got {self.down} down and {self.right} right in '
                f'an image of shape {image.shape}'
            )
        widths = [(0, self.down), (0, self.right)] + [(0, 0)] * (image.ndim - 2)
        results['img'] = np.pad(image, widths, mode='reflect')[self.down :, self.right :]
        return results

    def agreement(self, still: np.ndarray, moved: np.ndarray) -> float:
        """Share of equal predictions: label maps [H, W] over the pixels that both see, or labels of the image [n]."""
        if still.ndim == 2:
            height, width = still.shape
            still, moved = still[self.down :, self.right :], moved[: height - self.down, : width - self.right]
        return float((still == moved).mean())
