"""A user's mistake is one line and exit status 1; any other error keeps its traceback."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

#: Whatever goes wrong while config, model and data sets are built is the user's, and these name it.
WHILE_BUILDING = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ImportError,
    AssertionError,
    AttributeError,
    NameError,
    SyntaxError,
    RuntimeError,
)


class UserMistake(Exception):
    """In config, data or checkpoint."""


@contextmanager
def building(*kinds: type[Exception]) -> Iterator[None]:
    """Inside it, what goes wrong is the user's mistake.

    Args:
        kinds: of errors; by default those that a wrong config may raise while config, model and data sets are built.
            Later, `ValueError` stands for our own code's refusals.
    """
    users = kinds or WHILE_BUILDING
    try:
        yield
    except users as error:
        raise UserMistake(_text(error)) from error


@contextmanager
def one_line(show_traceback: bool = False) -> Iterator[None]:
    """Ends the program with one line on a user's mistake, and when the user interrupts it.

    Args:
        show_traceback: let every error through as it is.
    """
    from ..apis.errors import USERS

    try:
        yield
    except (UserMistake, *USERS) as error:
        if show_traceback:
            raise
        raise SystemExit(f'error: {" ".join(str(error).split())}') from None
    except KeyboardInterrupt:
        if show_traceback:
            raise
        print('interrupted', file=sys.stderr)
        raise SystemExit(130) from None  # as shells say it


def say_what_failed(failures: list[str]) -> int:
    """Names the images that had to be left out, if any; returns the exit status."""
    from ..apis.unreadable import summary

    if failures:
        print(f'error: {summary(failures)}', file=sys.stderr)
    return int(bool(failures))


def _text(error: BaseException) -> str:
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    if isinstance(error, ImportError) and error.__cause__:
        text = error.__cause__  # mmengine's own text around it lists sys.path
    if isinstance(error, ImportError):
        text = f'{text} (`freqfusion-mm doctor` names remedies; the folder of a module of yours belongs on PYTHONPATH)'
    kind = '' if isinstance(error, (ValueError, OSError)) else f'{type(error).__name__}: '
    return f'{kind}{text}{_hint(str(text))}'


def _hint(text: str) -> str:
    """What our names have to do with a framework's refusal."""
    if "unexpected keyword argument 'upsample_cfg'" in text:
        return "; modules of ours take it in the stock one's place, e.g. type='FusionSegformerHead' for SegformerHead"
    unknown = re.search(r'(\w+) is not in the \S+ registry', text)
    if unknown is None:
        return ''
    from mmengine.registry import MODELS

    names = {name.lower(): name for name in MODELS.module_dict}
    near = get_close_matches(unknown[1].lower(), names, n=1)
    return f' (did you mean {names[near[0]]}?)' if near else ''
