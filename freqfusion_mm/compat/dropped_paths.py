"""A neck that is put in the place of another by a merged `type`, and would drop that one's paths, is refused in words.

Lacking: a config that inherits `neck=dict(type='PAFPN', ...)` and writes `type='FusionFPN'` (or `--cfg-options` does)
    builds, as both take the keys of an FPN; the bottom-up path is gone, and nobody says so. mmengine (0.x) merges
    dictionaries whatever their types are. In the place of an FPN_CARAFE, the extra levels' convolutions are gone.
Changes: merging refuses the pairs below, and names the twin, or the option. `_delete_=True` is a new neck, which is
    nobody's place.
    A file's bases are merged before its `custom_imports` are obeyed: a process that has not imported the package before
    (the frameworks' own tools, for what a file inherits) is not told.
Goes: never; it is ours to know.
"""

from functools import wraps

from ..apis.config import type_name

#: type of ours -> type in whose place it would drop paths -> the twin of that.
TWINS = {
    'FusionFPN': {
        'CLRFPN': 'FusionCLRFPN',
        'FPN_DropBlock': 'FusionFPNDropBlock',
        'HRFPN': 'FusionHRFPN',
        'NASFCOS_FPN': 'FusionNASFCOSFPN',
        'PAFPN': 'FusionPAFPN',
        'RFP': 'FusionRFP',
    }
}


def apply() -> None:
    """Have `mmengine.Config` refuse to merge the pairs; idempotent."""
    from mmengine.config import Config

    if not hasattr(Config._merge_a_into_b, 'knows_twins'):
        Config._merge_a_into_b = staticmethod(_checking(Config._merge_a_into_b))


def _checking(merge):
    @wraps(merge)
    def _merge_a_into_b(a, b, *args, **kwargs):
        if isinstance(a, dict) and isinstance(b, dict):
            ours, stock = (type_name(cfg.get('type')) for cfg in (a, b))
            if (ours, stock) == ('FusionFPN', 'FPN_CARAFE') and 'add_extra_convs' not in a and _has_extra_levels(b):
                raise TypeError(
                    "type='FusionFPN' in the place of an FPN_CARAFE would pool the levels beyond its inputs: write "
                    "add_extra_convs='fused' beside it, which is what FPN_CARAFE does, or False"
                )
            if stock in TWINS.get(ours, ()):
                raise TypeError(
                    f'type={ours!r} in the place of a {stock} would drop what a {stock} does beside an FPN: its twin '
                    f'is {TWINS[ours][stock]!r}; for the plain neck, write the whole of it with _delete_=True'
                )
        return merge(a, b, *args, **kwargs)

    _merge_a_into_b.knows_twins = True
    return _merge_a_into_b


def _has_extra_levels(cfg) -> bool:
    return cfg.get('num_outs', 0) > len(cfg.get('in_channels', ())) - cfg.get('start_level', 0)
