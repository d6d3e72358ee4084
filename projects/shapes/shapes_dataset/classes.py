"""The classes of Shapes and the colours they are drawn in when a label is pictured."""

THINGS = ('gear', 'star', 'ring', 'comb', 'cross', 'crescent', 'ladder', 'spiral')
STUFF = ('stripes', 'checks', 'dots', 'cells')
CLASSES = THINGS + STUFF
PALETTE = (
    (230, 25, 75),
    (255, 193, 7),
    (0, 130, 200),
    (145, 30, 180),
    (245, 130, 48),
    (70, 200, 220),
    (240, 50, 230),
    (60, 180, 75),
    (188, 170, 140),
    (95, 108, 124),
    (150, 175, 190),
    (90, 84, 60),
)
