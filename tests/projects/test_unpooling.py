"""The denoising example: every row is the same network but for its poolings, and a run leaves numbers and a picture."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

cv2 = pytest.importorskip('cv2', reason='the example reads images with OpenCV')
pytest.importorskip('torchmetrics', reason='the example measures with torchmetrics')
pytest.importorskip('matplotlib', reason='the example draws with matplotlib')

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects' / 'unpooling'))

import denoise  # noqa: E402


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    for split in ('train', 'val'):
        folder = root / 'images' / split
        folder.mkdir(parents=True)
        for i in range(4):
            cv2.imwrite(str(folder / f'{i}.png'), np.random.default_rng(i).integers(0, 256, (67, 72, 3), np.uint8))
    return root


@pytest.mark.parametrize('row', denoise.ROWS)
def test_every_row_keeps_any_size_and_every_weight_learns(row):
    model = denoise.EncoderDecoder(*denoise.ROWS[row])
    out = model(torch.rand(2, 3, 31, 42))
    assert out.shape == (2, 3, 31, 42)
    out.square().mean().backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    # Bilinear unpooling leaves nothing of LiftPool unused: the sum of the sub-bands goes on.
    assert without == []


def test_rows_differ_by_their_poolings_alone():
    shapes = {
        row: {
            name: tuple(weight.shape)
            for name, weight in denoise.EncoderDecoder(*cfgs).named_parameters()
            if not name.startswith(('pools', 'unpools'))
        }
        for row, cfgs in denoise.ROWS.items()
    }
    assert all(found == shapes['max, bilinear'] for found in shapes.values())


def test_only_the_unpooling_brings_details_to_the_decoder():
    """Without details, a decoder that is blind to LL still tells fine patterns apart by LiftUp, not by bilinear."""
    stripes = torch.zeros(1, 3, 16, 16)
    stripes[..., ::2] = 1
    for row, seen in (('LiftDown, LiftUp', True), ('max, bilinear', False)):
        torch.manual_seed(0)
        model = denoise.EncoderDecoder(*denoise.ROWS[row])
        model.bottom = torch.nn.Module()
        model.bottom.forward = torch.zeros_like
        with torch.no_grad():
            differs = not torch.equal(model(stripes), model(1 - stripes))
        assert differs == seen


def test_scores_are_those_of_their_definition():
    clean = torch.rand(3, 3, 32, 32)
    outputs = (clean + 0.1).clamp(0, 1)
    errors = (outputs - clean).square().mean(dim=(1, 2, 3))
    found = denoise.score(outputs, clean)
    assert found['psnr'] == pytest.approx(float((-10 * errors.log10()).mean()), abs=1e-3)
    assert denoise.score(clean, clean)['ssim'] == pytest.approx(1)


@pytest.mark.slow
def test_a_run_leaves_numbers_and_a_picture(data, tmp_path, capsys):
    arguments = ['--data', str(data), '--iterations', '2', '--seeds', '0', '1', '--out', str(tmp_path)]
    assert denoise.main(arguments) == 0
    printed = capsys.readouterr().out
    assert cv2.imread(str(tmp_path / 'denoised.png')).std() > 0
    first = (tmp_path / 'results.csv').read_text()
    lines = list(csv.DictReader(io.StringIO(first)))
    assert [(line['name'], line['seed']) for line in lines] == [(row, seed) for seed in '01' for row in denoise.ROWS]
    by_row = {row: [float(line['psnr']) for line in lines if line['name'] == row] for row in denoise.ROWS}
    a, b = by_row['LiftDown, LiftUp']
    half = 12.7062 * abs(a - b) / 2  # Student's t of one degree of freedom
    assert f'| {(a + b) / 2:.2f} ± {half:.2f} |' in printed
    better = [ours - theirs for ours, theirs in zip(by_row['LiftDown, LiftUp'], by_row['max, bilinear'])]
    assert f'| {np.mean(better):+.2f} [' in printed
    assert f'| {sum(value > 0 for value in better)} of 2 |' in printed
    denoise.main(arguments)
    timeless = [{key: value for key, value in line.items() if key != 'seconds'} for line in lines]
    again = list(csv.DictReader(open(tmp_path / 'results.csv')))
    assert [{key: value for key, value in line.items() if key != 'seconds'} for line in again] == timeless


def test_missing_data_are_named(tmp_path, capsys):
    assert denoise.main(['--data', str(tmp_path / 'none'), '--out', str(tmp_path)]) == 1
    assert 'make_shapes.py' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [['--iterations', '0'], ['--sigma', '-1']])
def test_wrong_arguments(capsys, arguments):
    with pytest.raises(SystemExit):
        denoise.main(arguments)
    assert arguments[0] in capsys.readouterr().err
