"""The committed runs of the studies are those of the configs as they are: what is run next continues them."""

from pathlib import Path

import pytest

pytest.importorskip('mmengine', reason='jobs hold configs of mmengine')

from freqfusion_mm.apis.studies import jobs  # noqa: E402
from freqfusion_mm.apis.studies.raw_values import RawValues, curve_values  # noqa: E402
from freqfusion_mm.apis.studies.study import read_study  # noqa: E402

STUDIES = sorted((Path(__file__).parents[2] / 'projects').rglob('study.yml'))


@pytest.mark.parametrize('path', STUDIES, ids=lambda path: path.parent.name)
def test_a_config_still_resolves_to_what_was_measured(path):
    study = read_study(path)
    assert jobs.outdated(study) == []
    lines = RawValues(study.raw_values).read()
    points = curve_values(study.curves).read()
    assert {(line['name'], line['config_hash'], line['seed']) for line in points} == {
        (line['name'], line['config_hash'], line['seed']) for line in lines
    }
