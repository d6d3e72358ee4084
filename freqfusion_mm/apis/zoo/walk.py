"""The configs of the installed mmdet and mmseg, and the places in them where features are upsampled."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..config import type_name
from .twins import ONLY_WITH, TWINS, UNREACHED, Twin

#: Stock types, without scope.
_KNOWN = {name.rsplit('.')[-1] for name in (*TWINS, *UNREACHED)}
_NO_ARCHITECTURE = ('init_cfg', 'loss_decode', 'loss_mask', 'pretrained', 'sampler', 'train_cfg', 'test_cfg')
_TRAINED_APART = ('mmseg.SyncBN', 'SyncBN', 'MMSyncBN')


@dataclass
class Place:
    """A module of a model's config that upsamples features.

    Attributes:
        path: of the module, as the frameworks' `--cfg-options` write it.
        stock: its type, without scope.
        cfg: its config, with what its parent passes on.
        scope: the framework whose type it is.
    """

    path: str
    stock: str
    cfg: dict[str, Any] = field(repr=False)
    scope: str = ''

    @property
    def twin(self) -> Twin | None:
        return TWINS.get(f'{self.scope}.{self.stock}', TWINS.get(self.stock))

    def line(self, upsample_cfg: str = 'FreqFusion') -> dict[str, Any]:
        """What chooses the upsampling, as `--cfg-options` take it and as a config that inherits writes it."""
        also = {f'{self.path}.{name}': value for name, value in self.twin.also}
        return {f'{self.path}.type': self.twin.name, f'{self.path}.upsample_cfg.type': upsample_cfg, **also}

    @property
    def key(self) -> str:
        """Of the architecture, one for all configs that build the same module."""
        text = json.dumps(_architecture(self.cfg), sort_keys=True, default=str)
        return hashlib.sha256(f'{self.stock} {text}'.encode()).hexdigest()[:10]


def configs(scope: str) -> Iterator[tuple[str, Path]]:
    """Name and file of each model's config that the installed framework ships.

    Raises:
        RuntimeError: the framework, or its configs, are not installed.
    """
    spec = find_spec(scope)
    root = Path(spec.origin).parent / '.mim/configs' if spec else None
    if root is None or not root.is_dir():
        raise RuntimeError(
            f'{scope} is not installed with its configs ({scope}/.mim/configs): install it by pip or mim'
        )
    for file in sorted(root.rglob('*.py')):
        inside = file.relative_to(root)
        if '_base_' not in inside.parts and 'common' not in inside.parts:
            yield inside.as_posix(), file


def places(model: dict[str, Any], scope: str = '') -> list[Place]:
    """Where a model's config, of a framework, upsamples features."""
    return list(_walk(model, 'model', {}, scope))


def _walk(node: Any, path: str, parent: dict[str, Any], scope: str) -> Iterator[Place]:
    if isinstance(node, (list, tuple)):
        for i, item in enumerate(node):
            yield from _walk(item, f'{path}.{i}', parent, scope)
    if not isinstance(node, dict):
        return
    stock = type_name(node.get('type'))
    name, wanted = ONLY_WITH.get(stock, (None, None))
    if stock in _KNOWN and (name is None or node.get(name) == wanted):
        cfg = dict(node)
        if path.endswith('pixel_decoder'):
            passed = ('in_channels', 'feat_channels', 'out_channels')
            cfg.update({name: parent[name] for name in passed if name in parent})
        yield Place(path, stock, cfg, scope)
    for name, child in node.items():
        yield from _walk(child, f'{path}.{name}', node, scope)


def _architecture(cfg: Any) -> Any:
    """What tells one module from another that upsamples otherwise."""
    if isinstance(cfg, dict):
        plain = _without_deformation(cfg)
        return plain and {name: _architecture(value) for name, value in plain.items() if name not in _NO_ARCHITECTURE}
    if isinstance(cfg, (list, tuple)):
        return [_architecture(value) for value in cfg]
    return 'BN' if cfg in _TRAINED_APART else cfg


def buildable(cfg: Any) -> Any:
    """A copy without what a module of random weights on one CPU does not need: checkpoints, synchronised norms.

    Nor deformable convolutions, which take minutes there, and with random offsets read beyond their maps: the plain
    ones upsample alike.
    """
    if isinstance(cfg, dict):
        plain = _without_deformation(cfg)
        dropped = ('init_cfg', 'pretrained')
        return plain and {
            name: buildable(value) for name, value in plain.items() if name not in dropped or _of_layers(value)
        }
    if isinstance(cfg, (list, tuple)):
        return type(cfg)(buildable(value) for value in cfg)
    return 'BN' if isinstance(cfg, str) and cfg in _TRAINED_APART else cfg


def _without_deformation(cfg: dict[str, Any]) -> dict[str, Any] | None:
    if cfg.get('type') in ('DCN', 'DCNv2'):
        return None
    return dict(cfg, use_deform=False) if 'use_deform' in cfg else cfg


def _of_layers(init_cfg: Any) -> bool:
    return isinstance(init_cfg, (list, tuple)) or isinstance(init_cfg, dict) and init_cfg.get('type') != 'Pretrained'
