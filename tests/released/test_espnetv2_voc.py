"""ESPNetv2 with its author's PASCAL VOC weights, on real photos: VOC's classes in COCO's panoptic labels.

The scores are those of the converted weights, measured here: they guard the path from file to score, normalisation and
class order included.
"""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip('mmseg')

from mmengine.config import Config  # noqa: E402
from mmseg.datasets import PascalVOCDataset  # noqa: E402

from freqfusion_mm.apis import build_runner  # noqa: E402
from freqfusion_mm.apis.config import config_path  # noqa: E402
from freqfusion_mm.datasets.panoptic_png import colours_to_ids  # noqa: E402

#: COCO's name -> VOC's label.
LABELS = {
    name: i + 1
    for i, name in enumerate(
        (
            'airplane bicycle bird boat bottle bus car cat chair cow dining_table-merged dog horse motorcycle person '
            'potted_plant sheep couch train tv'
        ).split()
    )
}
NAMES = {'dining table': 'dining_table-merged', 'potted plant': 'potted_plant'}


def write_labels(root, folder):
    """COCO's panoptic labels as label maps of VOC; other things and crowds are ignored, all stuff is background."""
    content = json.loads((root / 'annotations' / 'panoptic_val2017.json').read_text())
    categories = {category['id']: category for category in content['categories']}
    folder.mkdir()
    for annotation in content['annotations']:
        ids = colours_to_ids(cv2.imread(str(root / 'panoptic_val2017' / annotation['file_name']))[..., ::-1])
        labels = np.full(ids.shape, 255, np.uint8)
        for segment in annotation['segments_info']:
            category = categories[segment['category_id']]
            label = LABELS.get(NAMES.get(category['name'], category['name']), 255 if category['isthing'] else 0)
            labels[ids == segment['id']] = 255 if segment['iscrowd'] else label
        cv2.imwrite(str(folder / annotation['file_name']), labels)


@pytest.mark.slow
@pytest.mark.parametrize('scale, mean_iou', [('1.0', 38.90), ('2.0', 43.91)])
def test_the_score_of_the_authors_weights(scale, mean_iou, shared, tmp_path):
    from freqfusion_mm.apis.checkpoint import load_strictly, read_checkpoint
    from freqfusion_mm.apis.reference_checkpoint import with_our_paths

    write_labels(shared('data/coco_subset'), tmp_path / 'labels')
    cfg = Config.fromfile(config_path(f'espnetv2_s{scale}_hff_1xb32-100e_voc12aug-384x384'))
    pipeline = cfg.test_dataloader.dataset.pipeline
    cfg.work_dir = str(tmp_path)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset = dict(
        type='BaseSegDataset',
        metainfo=PascalVOCDataset.METAINFO,
        data_prefix=dict(
            img_path=str(shared('data/coco_subset/images/val2017')), seg_map_path=str(tmp_path / 'labels')
        ),
        pipeline=pipeline,
    )
    runner = build_runner(cfg)
    weights = shared(f'weights/espnetv2_s_{scale}_pascal_384x384.pth')
    load_strictly(runner.model, dict(state_dict=with_our_paths(read_checkpoint(weights))), str(weights))
    assert runner.test()['mIoU'] == pytest.approx(mean_iou, abs=0.05)
