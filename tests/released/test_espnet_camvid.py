"""ESPNet with its author's CamVid weights on the real test images: the whole path from his file to the score."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmseg')

ROOT = Path(__file__).resolve().parents[2]
#: IoU of his weights on the 233 test images, measured with his code; 57.17 is their mean.
IOU = dict(
    sky=91.6,
    building=71.8,
    pole=27.6,
    road=93.2,
    pavement=78.0,
    tree=63.7,
    sign=31.4,
    fence=14.0,
    car=75.2,
    pedestrian=38.8,
    bicyclist=43.7,
)


def tool(*arguments, **env):
    command = [sys.executable, '-m', 'freqfusion_mm', *map(str, arguments)]
    env = {'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'HOME': str(Path.home()), **env}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def camvid(shared, tmp_path_factory):
    """CamVid as its owners lay it out, unpacked."""
    folder = tmp_path_factory.mktemp('camvid')
    subprocess.run([sys.executable, str(shared('data/unpack.py')), 'camvid', str(folder)], check=True)
    return folder


@pytest.mark.slow
def test_the_score_of_the_authors_weights(shared, camvid, tmp_path):
    converted = tmp_path / 'camvid.pth'
    tool('convert', 'espnet_p2-q8_hff_1xb6-300e_camvid-360x480', shared('weights/espnet_p_2_q_8_camvid.pth'), converted)
    said = tool(
        'test', 'espnet_p2-q8_hff_1xb6-300e_camvid-360x480', converted, '--work-dir', tmp_path, CAMVID_ROOT=str(camvid)
    )
    assert float(re.findall(r'mIoU: ([\d.]+)', said)[-1]) == pytest.approx(57.17, abs=0.05)
    measured = {name: float(iou) for name, iou in re.findall(r'\|\s*(\w+)\s*\|\s*([\d.]+)\s*\|', said)}
    assert {name: measured[name] for name in IOU} == pytest.approx(IOU, abs=0.06)
