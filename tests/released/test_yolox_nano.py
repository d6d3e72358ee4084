"""YOLOX-Nano with its authors' COCO weights: mmdet's own config, its neck and ours, on real photos."""

import pytest

pytest.importorskip('mmdet')

from mmengine.config import Config  # noqa: E402

from freqfusion_mm.apis.testing import build_test  # noqa: E402

WRITTEN = """
_base_ = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'
custom_imports = dict(imports=['freqfusion_mm.registration'], allow_failed_imports=False)
model = dict({neck})
"""


def average_precision(neck, shared, tmp_path):
    tmp_path.mkdir()
    root, file = shared('data/coco_subset'), tmp_path / 'config.py'
    file.write_text(WRITTEN.format(neck=neck))
    cfg = Config.fromfile(file)
    annotations = str(root / 'annotations' / 'instances_val2017.json')
    data = dict(data_root=f'{root}/', ann_file=annotations, data_prefix=dict(img='images/val2017/'))
    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path),
            test_dataloader=dict(num_workers=0, persistent_workers=False, dataset=data),
            test_evaluator=dict(ann_file=annotations, format_only=False),
        )
    )
    runner = build_test(cfg, shared('weights/yolox_nano_coco.pth')).runner
    measured = runner.test()
    assert not runner.test_loop.dataloader.failures
    return measured['coco/bbox_mAP']


@pytest.mark.slow
def test_average_precision_of_the_stock_neck_and_of_ours(shared, tmp_path):
    stock = average_precision('', shared, tmp_path / 'stock')
    ours = average_precision(
        "neck=dict(type='FusionYOLOXPAFPN', upsample_cfg=dict(type='nearest'))", shared, tmp_path / 'ours'
    )
    assert stock == ours == 0.372
