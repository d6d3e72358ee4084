"""Every config that mmdet and mmseg ship: where its features are upsampled, and whether our line reaches it."""

from .check import check
from .report import markdown
from .walk import Place, configs, places

__all__ = ['Place', 'check', 'configs', 'markdown', 'places']
