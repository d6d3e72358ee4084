"""A hook that stops a run on a missing or broken data folder before anything is trained on it."""

from collections.abc import Sequence

from mmengine.hooks import Hook

from ...datasets.manifest import check_dataset


class DatasetCheck(Hook):
    """Check the data folder when the runner is built.

    Convention:
        The check runs on construction: the runner builds its data sets before it calls any method
        of a hook, so a later check would come after the framework's own, less telling error.

    Args:
        data_root: the data folder.
        required: files and folders, relative to ``data_root``, that must be there.
        version: version of the manifest that the folder must match file by file, e.g.
            ``'shapes-2'``; ``None`` for a data set without a manifest.
        remedy: what to do about it, the end of the error message.

    Raises:
        DatasetError: naming the folder, what is wrong in it, and the remedy.

    Example:
        >>> hook = DatasetCheck('.', remedy='Run this in a folder.')
    """

    def __init__(
        self, data_root: str, required: Sequence[str] = (), version: str | None = None, remedy: str = ''
    ) -> None:
        check_dataset(data_root, required, version, remedy)
