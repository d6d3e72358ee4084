# What the Shapes data sets share: folder, check of the folder, classes. See projects/shapes.
# SHAPES_ROOT in the environment names another folder.
data_root = '{{$SHAPES_ROOT:data/shapes/}}'
thing_classes = ('gear', 'star', 'ring', 'comb', 'cross', 'crescent', 'ladder', 'spiral')
stuff_classes = ('stripes', 'checks', 'dots', 'cells')
thing_palette = [
    (230, 25, 75),
    (255, 193, 7),
    (0, 130, 200),
    (145, 30, 180),
    (245, 130, 48),
    (70, 200, 220),
    (240, 50, 230),
    (60, 180, 75),
]
stuff_palette = [(188, 170, 140), (95, 108, 124), (150, 175, 190), (90, 84, 60)]
custom_hooks = [
    dict(
        type='DatasetCheck',
        data_root=data_root,
        version='shapes-2',
        remedy=f'Write it with: python projects/shapes/make_shapes.py {data_root} --overwrite',
    )
]
