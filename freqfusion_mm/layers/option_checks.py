"""One clear error for each kind of option that layers have in common."""

from numbers import Integral
from typing import Any


def check_windows(**widths: int) -> None:
    """One clear error for a width, by its option's name, that has no centre."""
    for name, width in widths.items():
        if not _whole(width) or width < 1 or width % 2 == 0:
            raise ValueError(f'{name} must be odd and positive (the window is centred), got {width!r}')


def check_positive(**numbers: int) -> None:
    """One clear error for a number of channels, groups, branches or pixels, by its option's name, that is below 1."""
    for name, number in numbers.items():
        if not _whole(number):
            raise ValueError(f'{name} must be a whole number, got {number!r}')
        if number < 1:
            raise ValueError(f'{name} must be positive, got {number}')


def check_groups(groups: int, name: str = 'groups', **channels: int) -> None:
    """One clear error for a number of groups, by its option's name, that does not divide each number of channels."""
    for option, number in channels.items():
        if not _whole(groups, number) or groups < 1 or number % groups:
            raise ValueError(f'{name} must divide {option}={number!r}, got {groups!r}')


def check_ratio(scale_factor: int) -> None:
    """One clear error for the ratio of a learned step that is no whole number of at least 2."""
    if not _whole(scale_factor) or scale_factor < 2:
        raise ValueError(f'scale_factor must be a whole number of at least 2, got {scale_factor!r}')


def _whole(*numbers: Any) -> bool:
    """Whether all are whole numbers, numpy's among them."""
    return all(isinstance(number, Integral) for number in numbers)
