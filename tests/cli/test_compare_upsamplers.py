"""The picture command draws every upsampler, in one step and in steps."""

import numpy as np
import pytest
import torch

cv2 = pytest.importorskip('cv2', reason='pictures are read and written with OpenCV')

from freqfusion_mm.cli.main import main  # noqa: E402
from freqfusion_mm.evaluation.analysis.upsampler_fit import Way, fit  # noqa: E402
from freqfusion_mm.layers import UPSAMPLERS  # noqa: E402
from freqfusion_mm.visualization.upsamplers import GAP, LABEL, TITLE  # noqa: E402


@pytest.fixture
def picture(tmp_path):
    yy, xx = np.mgrid[:80, :64]
    disc = ((yy - 40) ** 2 + (xx - 30) ** 2 < 400)[..., None]
    noise = np.random.default_rng(0).integers(0, 30, (80, 64, 3))
    cv2.imwrite(str(tmp_path / 'in.png'), (np.where(disc, (200, 60, 40), (30, 150, 90)) + noise).astype(np.uint8))
    return tmp_path / 'in.png'


def test_draws_all_upsamplers_at_all_ratios(picture, capsys):
    out = picture.parent / 'shown' / 'out.png'
    assert main(['compare', str(picture), '--out', str(out), '--size', '32', '--steps', '1']) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[:-1]]
    rows = {name: sum(line[0] == name for line in lines) for name in UPSAMPLERS}
    steps_alone = {'FreqFusion', 'IndexNet', 'A2U', 'FADE', 'SAPA'}  # they know the ratio 2, others any in one step
    assert rows == {name: 4 if name in steps_alone else 7 for name in UPSAMPLERS}
    sheet = cv2.imread(str(out))
    assert sheet.shape[0] == TITLE + (len(UPSAMPLERS) + 1) * (32 + TITLE + GAP)
    cells = sheet[2 * TITLE : 2 * TITLE + 32, LABEL : LABEL + 32]
    assert cells.std() > 0


def test_a_map_of_the_user(picture):
    torch.save(torch.rand(8, 10, 10), picture.parent / 'map.pt')
    status = main(
        [
            'compare',
            str(picture),
            '--out',
            str(picture.parent / 'out.png'),
            '--size',
            '32',
            '--steps',
            '0',
            '--ratios',
            '2',
            '--features',
            str(picture.parent / 'map.pt'),
            '--only',
            'nearest',
            'ReSFU',
        ]
    )
    assert status == 0 and (picture.parent / 'out.png').is_file()


def test_steps_of_nearest_are_one_step_and_fitting_helps():
    fine, image = torch.rand(1, 8, 32, 32), torch.rand(1, 3, 32, 32)
    coarse = torch.nn.functional.avg_pool2d(fine, 8)
    once, twice = (Way('nearest', 8, 8, direct)(coarse, image) for direct in (True, False))
    assert torch.equal(once, twice)
    way = Way('Deconv', 8, 8, True)  # names in any spelling
    assert way.fusion.upsampler.kernel_size == 16

    def error():
        with torch.no_grad():
            return (way(coarse, image) - fine).square().mean()

    before = error()
    fit(way, fine, image, 8, steps=20)
    assert error() < before


class Plain(torch.nn.Module):
    """A user's upsampler, of no class of ours."""

    def __init__(self, lr_channels, hr_channels, width=3):
        super().__init__()
        self.conv = torch.nn.Conv2d(lr_channels, lr_channels, width, padding=width // 2)

    def forward(self, lr_feat, hr_feat=None):
        return torch.nn.functional.interpolate(self.conv(lr_feat), hr_feat.shape[-2:])


def test_an_upsampler_of_the_users_own(picture, tmp_path, capsys):
    arguments = ['--size', '16', '--steps', '1', '--ratios', '2', '4', '--out', str(tmp_path / 'out.png'), '--only']
    main(['compare', str(picture), *arguments, f'{__name__}.Plain'])
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]] == ['x2', 'x4']
    with pytest.raises(SystemExit, match='Conv2d is no upsampler'):
        main(['compare', str(picture), *arguments, 'torch.nn.Conv2d'])


class SeesItsWindow(torch.nn.Module):
    """Fails where the image is not that of the coarse map."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, lr_feat, image):
        torch.testing.assert_close(torch.nn.functional.avg_pool2d(image, 2), lr_feat)
        return self.scale * image


def test_a_crop_has_the_guide_of_its_own_window():
    image = torch.rand(1, 3, 96, 128)
    fit(SeesItsWindow(), image, image, 2, steps=5)


def test_numbers_are_relative_and_of_the_seed_alone(picture, tmp_path, capsys):
    """The same for features of ten times the size, and whatever rows stand before."""
    torch.manual_seed(0)
    features = torch.rand(4, 16, 16)

    def rows(scale, *names):
        torch.save(scale * features, tmp_path / 'map.pt')
        arguments = ['--size', '16', '--steps', '0', '--ratios', '2', '--features', str(tmp_path / 'map.pt')]
        main(['compare', str(picture), *arguments, '--out', str(tmp_path / 'out.png'), '--only', *names])
        return capsys.readouterr().out.splitlines()[:-1]

    both = rows(1, 'nearest', 'carafe')
    assert rows(10, 'nearest') == both[:1] and rows(1, 'carafe') == both[1:]
    square = cv2.resize(cv2.imread(str(picture))[8:-8], (16, 16), interpolation=cv2.INTER_AREA)
    sheet = cv2.imread(str(tmp_path / 'out.png'))
    np.testing.assert_array_equal(sheet[2 * TITLE : 2 * TITLE + 16, LABEL : LABEL + 16], square)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--ratios', '3'], 'powers of 2'),
        (['--size', '40'], 'that divide --size'),
        (['--size', '0'], 'that divide --size'),
        ([], 'none.png cannot be read'),
    ],
)
def test_bad_arguments(arguments, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main(['compare', str(tmp_path / 'none.png'), *arguments])


PICTURES = {
    'grey': np.zeros((40, 50), np.uint8),
    '16 bits': np.zeros((40, 50), np.uint16),
    'alpha': np.zeros((40, 50, 4), np.uint8),
    'one pixel': np.zeros((1, 1, 3), np.uint8),
}


@pytest.mark.parametrize('kind', PICTURES)
def test_every_kind_of_picture(kind, tmp_path):
    noise = np.random.default_rng(0).integers(0, 200, PICTURES[kind].shape)
    cv2.imwrite(str(tmp_path / 'ü in.png'), (PICTURES[kind] + noise).astype(PICTURES[kind].dtype))
    arguments = ['--size', '16', '--steps', '0', '--ratios', '2', '--only', 'nearest', '--out', str(tmp_path / 'o.png')]
    assert main(['compare', str(tmp_path / 'ü in.png'), *arguments]) == 0
    assert cv2.imread(str(tmp_path / 'o.png')).shape[0] == TITLE + 2 * (16 + TITLE + GAP)


def test_photographs_whole_turned_and_cut_off(shared, tmp_path):
    """A turned photograph is the upright one; one that is cut off is refused by name, and nothing is written."""
    from PIL import Image

    photo = next(shared('data/coco_subset/images').rglob('*.jpg'))
    exif = Image.Exif()
    exif[0x0112] = 3
    with Image.open(photo) as upright:
        upright = upright.convert('RGB').reduce(4)
    upright.save(tmp_path / 'upright.png')
    upright.transpose(Image.Transpose.ROTATE_180).save(tmp_path / 'turned.png', exif=exif)
    for name in ('upright', 'turned'):
        arguments = ['--size', '32', '--steps', '0', '--ratios', '2', '--only', 'bilinear']
        assert (
            main(['compare', str(tmp_path / f'{name}.png'), *arguments, '--out', str(tmp_path / f'{name}_o.png')]) == 0
        )
    np.testing.assert_array_equal(*(cv2.imread(str(tmp_path / f'{name}_o.png')) for name in ('upright', 'turned')))
    (tmp_path / 'cut.jpg').write_bytes(photo.read_bytes()[:-2000])
    with pytest.raises(SystemExit, match=r'cut\.jpg cannot be read'):
        main(['compare', str(tmp_path / 'cut.jpg'), '--out', str(tmp_path / 'cut_o.png')])
    assert not (tmp_path / 'cut_o.png').exists()
