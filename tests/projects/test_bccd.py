"""BCCD's VOC boxes as COCO's: counts, the first pixel, and what is left out."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects' / 'bccd'))

import make_coco  # noqa: E402

OBJECT = """
<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>
"""


@pytest.fixture
def root(tmp_path):
    """root(*objects): one image of 8 x 6 pixels in each split, with objects of a name and its corners."""

    def write(*objects):
        for folder in ('Annotations', 'ImageSets/Main', 'JPEGImages'):
            (tmp_path / folder).mkdir(parents=True)
        content = '<size><width>8</width><height>6</height></size>' + ''.join(OBJECT.format(*each) for each in objects)
        (tmp_path / 'Annotations' / 'a.xml').write_text(f'<annotation>{content}</annotation>')
        for split in ('train', 'val', 'test'):
            (tmp_path / 'ImageSets' / 'Main' / f'{split}.txt').write_text('a\n')
        return tmp_path

    return write


def test_pixels_count_from_zero_and_a_box_without_area_is_left_out(root, capsys):
    content = make_coco.convert(root(('WBC', 1, 2, 4, 6), ('RBC', 3, 3, 3, 5), ('RBC', 2, 1, 8, 6)), 'val')
    assert content['images'] == [dict(id=1, file_name='a.jpg', width=8, height=6)]
    assert [each['name'] for each in content['categories']] == ['RBC', 'WBC', 'Platelets']
    found = [(each['id'], each['category_id'], each['bbox'], each['area']) for each in content['annotations']]
    assert found == [(1, 2, [0, 1, 3, 4], 12), (2, 1, [1, 0, 6, 5], 30)]
    assert capsys.readouterr().out == 'val: a has a RBC of 0 x 2 pixels, which is left out\n'


def test_an_unknown_class_is_named_before_anything_is_written(root, monkeypatch):
    folder = root(('Parasite', 1, 2, 4, 6))
    monkeypatch.setattr(sys, 'argv', ['make_coco.py', str(folder)])
    with pytest.raises(SystemExit, match="train: a has an object 'Parasite'; the classes are RBC, WBC, Platelets"):
        make_coco.main()
    assert list(folder.glob('*.json')) == []


def test_the_real_ones(shared):
    found = {split: make_coco.convert(shared('data/bccd'), split) for split in ('train', 'val', 'test')}
    assert [len(content['images']) for content in found.values()] == [205, 87, 72]
    assert sum(len(content['annotations']) for content in found.values()) == 4888 - 2
    for content in found.values():
        sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
        for each in content['annotations']:
            x, y, width, height = each['bbox']
            assert 0 <= x < x + width < sizes[each['image_id']][0], each
            assert 0 <= y < y + height < sizes[each['image_id']][1], each
