"""What the layers agree on about widths, of windows and of maps."""


def check_windows(**widths: int) -> None:
    """One clear error for a width, by its option's name, that has no centre."""
    for name, width in widths.items():
        if width < 1 or width % 2 == 0:
            raise ValueError(f'{name} must be odd and positive (the window is centred), got {width}')


def check_positive(**numbers: int) -> None:
    """One clear error for a number of channels, groups, branches or pixels, by its option's name, that is below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f'{name} must be positive, got {number}')
