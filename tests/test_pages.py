"""The pages for readers: short, one in every room, and what they link to is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pages():
    """The README files that belong to the project, or, without git, those outside hidden folders and work_dirs."""
    done = subprocess.run(['git', 'ls-files', '*README.md'], cwd=ROOT, capture_output=True, text=True)
    names = done.stdout.split() if done.returncode == 0 else []
    if not names:
        found = (path.relative_to(ROOT) for path in ROOT.rglob('README.md'))
        names = [str(path) for path in found if not any(part.startswith(('.', 'work_dirs')) for part in path.parts)]
    return names


def test_the_rooms_have_pages():
    assert {'', 'freqfusion_mm', 'configs', 'tests', 'tools', 'projects'} <= {name[:-10] for name in pages()}


def test_the_readme_states_what_upsamplers_cost():
    torch = pytest.importorskip('torch')
    from torch.utils.flop_counter import FlopCounterMode

    import freqfusion_mm.ops.flops
    from freqfusion_mm.layers import build_fusion

    if not freqfusion_mm.ops.flops.CAN_REGISTER:
        pytest.skip("torch counts others' operators from 2.4 on")

    def costs(name):
        """Thousands of parameters, in three digits, and billions of multiply-adds, as text."""
        fusion = build_fusion(name, 256, 256)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            fusion(torch.rand(1, 256, 64, 64), torch.rand(1, 256, 128, 128))
        weights = sum(weight.numel() for weight in fusion.parameters()) / 1e3
        return f'{round(weights, None if weights < 1000 else -1):.0f}', f'{counter.get_total_flops() / 2e9:.2f}'

    rows = re.findall(r'^\| (`\w.*) \|.*\| (.+) \| (.+) \|$', (ROOT / 'README.md').read_text(), re.M)
    for names, *stated in rows[1:]:
        found = zip(*(costs(name) for name in re.findall('`(.*?)`', names)))
        assert [', '.join(cells) for cells in found] == stated, names
    assert len(rows) == 11 and rows[0][1:] == ('0', '0')


@pytest.mark.parametrize('name', pages())
def test_a_page_is_short_and_its_links_lead_somewhere(name):
    page = ROOT / name
    assert len(page.read_bytes()) <= (7000 if name == 'README.md' else 12000)
    links = re.findall(r'\]\(([^)\s#]+)[^)]*\)', page.read_text())
    assert [link for link in links if '://' not in link and not (page.parent / link).exists()] == []
