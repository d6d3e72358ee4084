"""mmdet's panoptic loading without panopticapi, which has no release to install.

mmdet's ``LoadPanopticAnnotations`` needs one function of panopticapi, the one that turns colours
into segment ids, and refuses to be built without it.
"""

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations, LoadPanopticAnnotations
from mmdet.structures.mask import BitmapMasks

from ..panoptic_png import check_segments, read_panoptic_png

IGNORED = 255


class LoadPanopticSegments(LoadPanopticAnnotations):
    """Load boxes, labels, masks and the semantic map of a COCO panoptic PNG.

    Convention:
        Semantic labels are those of the data set, things first; pixels of no segment are 255.

    Args:
        with_bbox, with_label, with_mask, with_seg: what to load.
        box_type: how mmdet wraps the boxes.
        imdecode_backend: mmcv's image reader.
        backend_args: of mmengine's file client.

    Raises:
        RuntimeError: a PNG that is missing or, with `imdecode_backend='cv2'`, is no image.
        ValueError: a PNG that holds none of the segments that the JSON lists for it, or is not of its image's size.
    """

    def __init__(
        self,
        with_bbox: bool = True,
        with_label: bool = True,
        with_mask: bool = True,
        with_seg: bool = True,
        box_type: str = 'hbox',
        imdecode_backend: str = 'cv2',
        backend_args: dict | None = None,
    ) -> None:
        # Past LoadPanopticAnnotations.__init__, which imports panopticapi.
        LoadAnnotations.__init__(
            self,
            with_bbox=with_bbox,
            with_label=with_label,
            with_mask=with_mask,
            with_seg=with_seg,
            with_keypoints=False,
            box_type=box_type,
            imdecode_backend=imdecode_backend,
            backend_args=backend_args,
        )

    def _load_masks_and_semantic_segs(self, results: dict) -> None:
        path = results.get('seg_map_path')
        if path is None:  # a data set without labels
            return
        segments = results['segments_info']
        ids = read_panoptic_png(path, self.backend_args, self.imdecode_backend)
        if ids.shape != tuple(results['ori_shape'][:2]):
            raise ValueError(
                f"the panoptic label '{path}' is of {' x '.join(map(str, ids.shape))} pixels, its image of "
                f'{" x ".join(map(str, results["ori_shape"][:2]))}'
            )
        check_segments(ids, {info['id'] for info in segments}, path)
        masks = [ids == info['id'] for info in segments]
        if self.with_mask:
            things = [mask.astype(np.uint8) for mask, info in zip(masks, segments) if info['is_thing']]
            results['gt_masks'] = BitmapMasks(things, *results['ori_shape'])
        if self.with_seg:
            results['gt_seg_map'] = np.full_like(ids, IGNORED)
            for mask, info in zip(masks, segments):
                results['gt_seg_map'][mask] = info['category']
