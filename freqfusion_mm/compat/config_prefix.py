"""`_base_ = ['freqfusion_mm::...']`.

Lacking: mmengine refuses a prefix outside its own table (0.10.7 and onedl 0.10.12). With an entry in that table the
    file loads, but its parts are then looked for in a registry that is called like the prefix; ours are in the root.
Changes: `Config._get_cfg_path` answers for our prefix, without a scope; any other path goes to mmengine's own function.
Goes: when mmengine lets a package register a prefix.
"""

from ..apis.config import config_path

PREFIX = 'freqfusion_mm::'


def apply() -> None:
    """Lets every `Config.fromfile` from now on resolve our prefix."""
    from mmengine.config import Config

    mmengines_way = Config._get_cfg_path
    if getattr(mmengines_way, 'knows_our_prefix', False):
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return config_path(cfg_path[len(PREFIX) :]), None
        return mmengines_way(cfg_path, filename)

    get_cfg_path.knows_our_prefix = True
    Config._get_cfg_path = staticmethod(get_cfg_path)
