"""Dense heads of mmdet with what a published row changes. Needs mmdet."""

from .pointwise_ssd_head import PointwiseSSDHead

__all__ = ['PointwiseSSDHead']
