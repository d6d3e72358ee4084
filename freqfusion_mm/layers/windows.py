"""What the layers agree on about the widths of their windows."""


def check_windows(**widths: int) -> None:
    """One clear error for a width, by its option's name, that has no centre."""
    for name, width in widths.items():
        if width < 1 or width % 2 == 0:
            raise ValueError(f'{name} must be odd and positive (the window is centred), got {width}')
