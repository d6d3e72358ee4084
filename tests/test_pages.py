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


@pytest.mark.parametrize('name', pages())
def test_a_page_is_short_and_its_links_lead_somewhere(name):
    page = ROOT / name
    assert len(page.read_bytes()) <= (7000 if name == 'README.md' else 12000)
    links = re.findall(r'\]\(([^)\s#]+)[^)]*\)', page.read_text())
    assert [link for link in links if '://' not in link and not (page.parent / link).exists()] == []
