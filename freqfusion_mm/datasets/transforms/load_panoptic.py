"""mmdet's panoptic loading without panopticapi, which has no release to install.

mmdet's ``LoadPanopticAnnotations`` needs one function of panopticapi, the one that turns colours
into segment ids, and refuses to be built without it. Everything else is inherited.
"""

from mmdet.datasets.transforms import LoadAnnotations, LoadPanopticAnnotations

from ..panoptic_png import colours_to_ids


class LoadPanopticSegments(LoadPanopticAnnotations):
    """Load boxes, labels, masks and the semantic map of a COCO panoptic PNG.

    Convention:
        Semantic labels are those of the data set, things first; pixels of no segment are 255.

    Args:
        with_bbox, with_label, with_mask, with_seg: what to load.
        box_type: how mmdet wraps the boxes.
        imdecode_backend: mmcv's image reader.
        backend_args: of mmengine's file client.
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
        self.rgb2id = colours_to_ids
