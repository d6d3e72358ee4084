"""Names and numbers of what tools write, and what they never overwrite."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmengine')

from mmengine.config import Config  # noqa: E402

from freqfusion_mm.apis.config import load_config  # noqa: E402
from freqfusion_mm.apis.outputs import (  # noqa: E402
    IMAGES,
    PICTURES,
    MapWriter,
    check_out,
    check_out_folder,
    check_picture_out,
    find_images,
    image_name,
    is_ours,
    output_names,
    refuse_to_overwrite,
    save_picture,
)
from freqfusion_mm.apis.shared_files import rewritten  # noqa: E402


def touch(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(file)
    return list(files)


def test_equal_names_in_several_folders_keep_them(tmp_path):
    files = touch(*(tmp_path / name for name in ('x/a.png', 'y/a.png', 'y/deep/a.png', 'b.jpg')))
    names = output_names(find_images([tmp_path]))
    assert {str(names[str(file)]) for file in files} == {'x/a', 'y/a', 'y/deep/a', 'b'}
    assert find_images([tmp_path, tmp_path / 'b.jpg']) == find_images([tmp_path])  # each once
    two = output_names(find_images([tmp_path / 'x', tmp_path / 'y/deep']))
    assert sorted(map(str, two.values())) == ['x/a', 'y/deep/a']


def test_suffixes_stay_where_they_alone_differ(tmp_path):
    touch(tmp_path / 'a.png', tmp_path / 'a.jpg', tmp_path / 'b.png', tmp_path / 'a.b.png')
    assert sorted(map(str, output_names(find_images([tmp_path])).values())) == ['a.b', 'a.jpg', 'a.png', 'b']


def test_a_suffix_that_stays_takes_no_other_name(tmp_path):
    files = touch(*(tmp_path / name for name in ('a.png', 'a.jpg', 'a.png.png', 'a.png.jpg', 'ü b.png')))
    names = output_names(find_images([tmp_path]))
    assert len(set(names.values())) == 5 and str(names[str(files[4])]) == 'ü b'


def test_a_file_by_several_paths_is_one(tmp_path, monkeypatch):
    (tmp_path / 'd').mkdir()
    touch(tmp_path / 'd/a.png')
    (tmp_path / 'd/a.npy').write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    assert len(find_images(['d', 'd/../d', tmp_path / 'd', 'd/a.png'])) == 1
    assert [file.name for file in find_images(['d'], ['.npy'])] == ['a.npy', 'a.png']


def test_figures_are_known_again(tmp_path):
    pytest.importorskip('matplotlib')
    from matplotlib.figure import Figure

    from freqfusion_mm.visualization.figure import save_figure

    for suffix in PICTURES:
        save_figure(Figure(), tmp_path / 'deep' / f'a{suffix}', dpi=20)
        assert is_ours(tmp_path / 'deep' / f'a{suffix}')
    for suffix in ('.svg', '.eps'):
        save_figure(Figure(), tmp_path / f'a{suffix}', dpi=20)
        assert 'freqfusion-mm' in (tmp_path / f'a{suffix}').read_text()
    with pytest.raises(ValueError, match='a figure wants a name that ends in .png, .*, got .*a.gif'):
        save_figure(Figure(), tmp_path / 'new' / 'a.gif', dpi=20)
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize('suffix', PICTURES)
def test_a_picture_of_the_user_stays_whatever_its_format(suffix, tmp_path):
    pixels = np.zeros((3, 4, 3), np.uint8)
    save_picture(pixels, tmp_path / f'ours{suffix}')
    Image.fromarray(pixels).save(tmp_path / f'mine{suffix}')
    assert check_picture_out(tmp_path / f'ours{suffix}') == tmp_path / f'ours{suffix}'
    with pytest.raises(FileExistsError, match='was not written by this tool'):
        check_picture_out(tmp_path / f'mine{suffix}')
    if suffix in IMAGES:
        assert find_images([tmp_path]) == [tmp_path / f'mine{suffix}']


def test_a_tile_of_more_pixels_than_pillow_takes_by_itself(tmp_path, monkeypatch):
    (mine,) = touch(tmp_path / 'tile.png')
    save_picture(np.zeros((30, 40), np.uint8), tmp_path / 'ours.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    assert find_images([tmp_path]) == [mine] and Image.MAX_IMAGE_PIXELS == 10


def test_folders_behind_links(tmp_path):
    touch(tmp_path / 'elsewhere/deep/a.png')
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos/linked').symlink_to('../elsewhere')
    (tmp_path / 'elsewhere/back').symlink_to('../photos')  # a circle
    assert find_images([tmp_path / 'photos']) == [tmp_path / 'photos/linked/deep/a.png']


def test_a_link_to_a_file_stays_one(tmp_path):
    (tmp_path / 'real').mkdir()
    link = tmp_path / 'link.csv'
    link.symlink_to('real/values.csv')
    with rewritten(link) as draft:
        draft.write_text('new')
    assert link.is_symlink() and (tmp_path / 'real/values.csv').read_text() == 'new'


def test_a_home_folder_is_written_as_in_a_shell(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    touch(tmp_path / 'photos/a.png')
    assert check_out('~/a.csv') == tmp_path / 'a.csv' and check_out_folder('~/out') == tmp_path / 'out'
    assert find_images(['~/photos']) == [tmp_path / 'photos/a.png']
    assert load_config(Config(dict()), work_dir='~/runs').work_dir == str(tmp_path / 'runs')


def test_files_are_rewritten_where_none_can_be_locked(tmp_path):
    """On Windows there is no fcntl, and export, convert and pack want none."""
    code = (
        "import sys; sys.modules['fcntl'] = None\nfrom pathlib import Path\n"
        'from freqfusion_mm.apis.shared_files import rewritten\n'
        "with rewritten(Path(sys.argv[1])) as draft:\n    draft.write_text('new')"
    )
    subprocess.run([sys.executable, '-c', code, str(tmp_path / 'file')], check=True, cwd=Path(__file__).parents[2])
    assert (tmp_path / 'file').read_text() == 'new'


@pytest.mark.skipif(not Path('/proc/version').exists(), reason='a folder where nothing can be written, for root too')
def test_a_file_where_nothing_can_be_written():
    for check in (check_out, check_out_folder):
        with pytest.raises(PermissionError, match=r'/proc cannot be written to \(.+\): give another one'):
            check('/proc/values.csv')


def test_a_sample_without_a_name():
    with pytest.raises(ValueError, match='meta_keys'):
        image_name({'ori_shape': (3, 4)})


def test_photographs_of_one_name(shared, tmp_path):
    photos = sorted(shared('data/coco_subset/images').rglob('*.jpg'))[:3]
    for place, photo in zip(('monday', 'tuesday', 'tuesday/night'), photos):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / 'photo.jpg').write_bytes(photo.read_bytes())
    names = output_names(find_images([tmp_path]))
    assert sorted(map(str, names.values())) == ['monday/photo', 'tuesday/night/photo', 'tuesday/photo']


def test_what_we_wrote_is_no_input_and_what_we_did_not_is_not_overwritten(tmp_path):
    (mine,) = touch(tmp_path / 'a_labels.png')
    save_picture(np.zeros((3, 4), np.uint8), tmp_path / 'b_labels.png')
    save_picture(np.zeros((3, 4), np.uint16), tmp_path / 'renamed.png')
    assert is_ours(tmp_path / 'b_labels.png') and is_ours(tmp_path / 'renamed.png') and not is_ours(mine)
    assert find_images([tmp_path]) == [mine]
    refuse_to_overwrite([tmp_path / 'b_labels.png', tmp_path / 'new.png'])
    with pytest.raises(FileExistsError, match='a_labels.png would be overwritten'):
        refuse_to_overwrite([mine, tmp_path / 'b_labels.png'])

    pattern = sorted(tmp_path.glob('*.png'))
    assert len(pattern) == 3 and find_images(pattern) == [mine]  # as the shell fills it in
    assert find_images([tmp_path / 'renamed.png']) == [tmp_path / 'renamed.png']
    with pytest.raises(FileNotFoundError, match='these are results'):
        find_images(pattern[1:])


def test_one_file_to_write(tmp_path):
    weights = tmp_path / 'weights.pth'
    weights.touch()
    (photo,) = touch(tmp_path / 'photo.png')
    assert check_out(tmp_path / 'new' / 'out.onnx', weights, None, 'no file').parent.is_dir()
    assert check_out(tmp_path / 'free.png', photo) == tmp_path / 'free.png'
    for out in (weights, tmp_path / 'new' / '..' / 'weights.pth'):
        with pytest.raises(FileExistsError, match='is what the command reads'):
            check_out(out, photo, weights)
    with pytest.raises(FileExistsError, match='was not written by this tool'):
        check_out(photo)
    save_picture(np.zeros((3, 4), np.uint8), tmp_path / 'ours.png')
    check_out(tmp_path / 'ours.png')
    check_picture_out(tmp_path / 'ours.png')
    for name in ('ours', 'ours.foo'):  # matplotlib would append a suffix, and overwrite ours.png unasked
        with pytest.raises(ValueError, match=r'a picture wants a name with one of \.png, .*, got .*ours'):
            check_picture_out(tmp_path / name)

    with pytest.raises(IsADirectoryError, match='is a folder, and a file is to be written'):
        check_out(tmp_path)


def test_a_folder_to_write(tmp_path):
    (photo,) = touch(tmp_path / 'mine' / 'photo.png')
    assert not check_out_folder(tmp_path / 'a' / 'new', ['photo.png']).exists()
    assert check_out_folder(tmp_path / 'mine', ['other.png']) == tmp_path / 'mine'
    with pytest.raises(FileExistsError, match='photo.png would be overwritten'):
        check_out_folder(tmp_path / 'mine', ['photo.png'])
    with pytest.raises(FileExistsError, match='is a file, and a folder is to be written'):
        check_out_folder(photo)
    with pytest.raises(FileExistsError, match='photo.png is a file'):
        check_out_folder(photo / 'below')


def test_a_broken_link_is_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / 'gone.png').symlink_to(tmp_path / 'nowhere.png')
    assert find_images([tmp_path]) == [tmp_path / 'gone.png']


def test_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no images'):
        find_images([tmp_path])
    with pytest.raises(FileNotFoundError, match='there is no image or folder'):
        find_images([tmp_path / 'gone.png'])


@pytest.mark.parametrize(
    'outputs, shift, dtype',
    [(2, False, np.uint8), (256, False, np.uint8), (256, True, np.uint16), (300, False, np.uint16)],
)
def test_every_class_number_fits(outputs, shift, dtype, tmp_path):
    labels = torch.arange(outputs)[None, None]
    numbers = MapWriter(outputs, shift).labels(labels)
    assert numbers.dtype == dtype
    save_picture(numbers, tmp_path / 'a.png')
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'a.png')), labels[0].numpy() + shift)


def test_sigmoid_labels_and_depths():
    assert MapWriter(2).labels(torch.tensor([[[0.0, 1.0]]])).tolist() == [[0, 1]]
    assert MapWriter(None, depth_unit=1e-3).depths(torch.tensor([[[1.2346, 99.0]]])).tolist() == [[1235, 65535]]
    with pytest.raises(ValueError, match='65536 classes'):
        MapWriter(70000)


def test_a_depth_is_written_as_the_label_files_are_read():
    """In millimetres, where no step reads any."""
    from freqfusion_mm.apis.testing import depth_unit

    assert depth_unit([SimpleNamespace(), SimpleNamespace(depth_rescale_factor=0.5)]) == 0.5
    assert depth_unit([SimpleNamespace()]) == 1e-3
