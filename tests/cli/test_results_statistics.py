"""Statistics of a study by hand, and the pages and pictures that are made from its CSV."""

import math

import pytest
import yaml

pytest.importorskip('scipy', reason='the intervals and tests are those of scipy')
from scipy import stats  # noqa: E402

from freqfusion_mm.apis.studies import metafile, pages  # noqa: E402
from freqfusion_mm.apis.studies.raw_values import RawValues, curve_values  # noqa: E402
from freqfusion_mm.apis.studies.study import ROOT, Metric, read_study  # noqa: E402
from freqfusion_mm.cli.results import main  # noqa: E402
from freqfusion_mm.evaluation.analysis.seed_statistics import Sample, compare, holm, smallest_sign_p  # noqa: E402

#: Quantiles of Student's t at 97.5 %, from a printed table: degrees of freedom -> value.
T = {1: 12.706, 2: 4.303, 3: 3.182}


def test_the_interval_of_a_mean_is_students():
    low, high = Sample((50.0, 52.0, 54.0)).interval  # mean 52, standard deviation 2
    assert Sample((50.0, 52.0, 54.0)).mean == 52
    assert (high - low) / 2 == pytest.approx(T[2] * 2 / math.sqrt(3), rel=1e-4) and high + low == pytest.approx(104)
    expected = stats.ttest_1samp([50.0, 52.0, 54.0], 0).confidence_interval()
    assert (low, high) == pytest.approx(tuple(expected))
    assert Sample((3.0, 3.0)).interval == (3, 3)
    assert Sample((3.0,)).interval is None


def test_a_comparison_pairs_the_seeds_that_both_rows_have():
    baseline = {0: 50.0, 1: 51.0, 2: 52.0, 3: 49.0, 9: 0.0}
    one = compare({3: 52.0, 0: 51.0, 1: 53.0, 2: 51.0, 8: 99.0}, baseline, higher_is_better=True)
    assert one.difference.values == (1, 2, -1, 3) and (one.wins, one.losses) == (3, 1)
    spread = math.sqrt((0.25**2 + 0.75**2 + 2.25**2 + 1.75**2) / 3)  # around the mean of 1.25
    half = T[3] * spread / 2
    assert one.difference.interval == pytest.approx((1.25 - half, 1.25 + half), rel=1e-3)
    assert one.t == pytest.approx(stats.ttest_rel([51, 53, 51, 52], [50, 51, 52, 49]).pvalue)
    assert one.sign == pytest.approx(2 * (1 + 4) / 2**4)  # at most one loss in four, on either side
    lower = compare({3: 52.0, 0: 51.0, 1: 53.0, 2: 51.0}, baseline, higher_is_better=False)
    assert lower.difference.values == (-1, -2, 1, -3) and (lower.wins, lower.losses) == (1, 3)
    assert (lower.t, lower.sign) == (one.t, one.sign)


def test_ties_leave_the_sign_test_and_equal_differences_have_no_spread():
    tied = compare({0: 1.0, 1: 2.0, 2: 4.0}, {0: 1.0, 1: 1.0, 2: 2.0}, higher_is_better=True)
    assert (tied.wins, tied.losses, tied.sign) == (2, 0, 0.5)
    same = compare({0: 0.3, 1: 1.1}, {0: 0.3, 1: 1.1}, higher_is_better=True)
    assert (same.wins, same.losses, same.sign, same.t) == (0, 0, 1, 1)
    shifted = compare({0: 0.3, 1: 1.1}, {0: 0.2, 1: 1.0}, higher_is_better=True)  # 0.1 in binary, twice
    assert shifted.difference.values == (0.1, 0.1) and shifted.t is None and shifted.sign == 0.5


def test_one_seed_says_nothing_of_chance():
    one = compare({0: 1.0}, {0: 0.5, 1: 0.7}, higher_is_better=True)
    assert one.difference.values == (0.5,) and one.difference.interval is one.t is one.sign is None
    assert compare({0: 1.0}, {1: 1.0}, higher_is_better=True) is None


def test_differences_without_a_spread_are_not_tested():
    """Metrics are rounded: two seeds may differ by the same by chance, which is no p of zero."""
    one = compare({0: 50.52, 1: 51.63}, {0: 50.02, 1: 51.13}, higher_is_better=True)
    assert pages._comparison(one, None, one.sign, 2) == ['+0.50', '2 of 2', '', '0.500']


def test_a_run_that_diverged_loses_and_leaves_the_other_rows_alone(study, monkeypatch):
    nan = float('nan')
    one = compare({0: 1.0, 1: nan, 2: nan, 3: 5.0}, {0: 0.5, 1: 1.0, 2: nan, 3: nan}, higher_is_better=False)
    assert (one.wins, one.losses, one.t) == (1, 2, None) and one.sign == 1.0  # a tie where both diverged
    infinite = compare({0: math.inf, 1: 1.0, 2: 1.0}, {0: 2.0, 1: 0.0, 2: -math.inf}, higher_is_better=True)
    assert (infinite.wins, infinite.losses, infinite.t) == (2, 1, None) and math.isnan(infinite.difference.half_width)
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    before = pages.study_tables(study, ROOT)
    for seed, value in enumerate((51.0, nan, 51.0)):
        RawValues(study.with_name('results.csv')).add(
            {'name': 'never', 'config_hash': 'h', 'seed': seed, 'test/mIoU': value}
        )
    after = pages.study_tables(study, ROOT)
    assert '| nan ± nan (3) |  | 1 of 3 |  | 1.000 |' in after
    assert [line for line in after.splitlines() if 'Holm' in line] == [
        line for line in before.splitlines() if 'Holm' in line
    ]


def test_holm_steps_down():
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 is no less than the one before, 0.6 x 1
    assert holm([0.03, 0.01, 0.6, 0.02]) == pytest.approx([0.06, 0.04, 0.6, 0.06])
    assert holm([0.5, 0.9]) == [1, 1] and holm([0.02]) == [0.02] and holm([]) == []


def test_what_the_seeds_could_resolve():
    zero = dict.fromkeys(range(3), 0.0)
    edge = compare({0: 1.0, 1: 2.0, 2: 3.0}, zero, higher_is_better=True).difference  # a standard deviation of 1
    assert edge.half_width == pytest.approx(T[2] / math.sqrt(3), rel=1e-4)
    assert Sample((3.0,)).half_width is None
    # a mean of half the interval is where it ends at zero
    moved = Sample(tuple(value - edge.mean + edge.half_width for value in edge.values))
    assert moved.interval[0] == pytest.approx(0, abs=1e-12)
    assert smallest_sign_p(3) == 0.25 and smallest_sign_p(5) == 0.0625
    few = Sample((0.0, 2.0))
    sentence = pages._resolved(Metric('test/mIoU', 'mIoU', True, 1), {'few': few, 'edge': edge}, whole=True)
    assert f'a difference in mIoU below 2.5 (edge) to {few.half_width:.1f} (few) cannot' in sentence
    assert 'a p of 0.5 of 2 seeds and 0.25 of 3 seeds at the least' in sentence


@pytest.fixture
def study(tmp_path):
    """A study of three rows: the baseline, one that is better in every seed, one with a single seed; one not run."""
    config = tmp_path / 'a.py'
    config.write_text('')
    rows = [{'name': name, 'config': str(config)} for name in ('base', 'better', 'once', 'never')]
    rows[1]['choose'] = {'key': 'keys.fusions.lr_mult', 'values': [1, 0.1]}
    content = {
        'name': 'Study',
        'seeds': [0, 1, 2],
        'baseline': 'base',
        'rows': rows,
        'choice': {'seed': 100, 'metric': 'val/mIoU'},
        'metrics': [
            {'key': 'test/mIoU', 'label': 'mIoU'},
            {'key': 'test/rmse', 'label': 'RMSE', 'higher_is_better': False, 'digits': 2},
        ],
        'flops_shape': [3, 64, 64],
    }
    file = tmp_path / 'study.yml'
    file.write_text(yaml.safe_dump(content))
    table, curves = RawValues(tmp_path / 'results.csv'), curve_values(tmp_path / 'curves.csv')
    line = {'config_hash': 'h', 'parameters': 714000, 'flops': 1234000000}
    table.add({**line, 'name': 'base', 'seed': 0, 'config_hash': 'old', 'test/mIoU': 99.0})
    for seed, base, better in ((0, 50.0, 52.0), (1, 51.0, 54.0), (2, 52.0, 56.0)):
        table.add({**line, 'name': 'base', 'seed': seed, 'test/mIoU': base, 'test/rmse': 0.5})
        table.add({**line, 'name': 'better', 'seed': seed, 'choice': 0.1, 'test/mIoU': better, 'test/rmse': 0.5})
        for name in ('base', 'better'):
            points = [('train/loss', 1, 2.0), ('train/loss', 2, 1.0), ('val/mIoU', 1, 40.0), ('val/mIoU', 2, base)]
            points.append(('val/rmse', 2, 0.5))  # measured once: no curve
            run = {'name': name, 'config_hash': 'h', 'seed': seed}
            curves.add(*({**run, 'metric': key, 'step': at, 'value': value} for key, at, value in points))
    curves.add({**run, 'config_hash': 'old', 'metric': 'val/mIoU', 'step': 2, 'value': 99.0})
    table.add({**line, 'name': 'once', 'seed': 0, 'test/mIoU': 51.0})
    return file


def test_the_tables_of_a_study(study, monkeypatch):
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    first, second = pages.study_tables(study, ROOT).split('**Study: RMSE** (lower is better)')
    title, _, head, _, base, better, once, never, _, sentence = first.strip().splitlines()
    assert title == '**Study: mIoU** (higher is better)'
    assert [cell.strip() for cell in head.strip('|').split('|')] == [
        'row',
        'parameters (M)',
        'multiply-adds (G)',
        'lr_mult, chosen',
        'mIoU, mean (seeds)',
        'better than base by',
        'seeds better',
        'p, t test',
        'p, sign test',
    ]
    assert base == '| base | 0.714 | 1.234 |  | 51.0 ± 2.5 (3) |  |  |  |  |'
    # differences 2, 3, 4: t = 3 / (1 / sqrt(3)) with two degrees of freedom
    p = 2 * stats.t.sf(3 * math.sqrt(3), 2)
    assert better == f'| better | 0.714 | 1.234 | 0.1 | 54.0 ± 5.0 (3) | +3.0 [+0.5, +5.5] | 3 of 3 | {p:.3f} | 0.250 |'
    assert once == '| once | 0.714 | 1.234 |  | 51.0 (1) |  |  |  |  |'
    assert never == '| never | not run | not run |  | not run |  |  |  |  |'
    assert 'Holm (1 compared). What a row could show' in sentence
    assert 'a difference in mIoU below 2.5 (better) cannot be told from zero' in sentence
    assert 'a p of 0.25 of 3 seeds at' in sentence
    assert '| row | RMSE, mean (seeds) | better than base by |' in second  # costs stand in the first table alone
    assert '| never |' not in second and '| once |' not in second  # which was run, and has no such value
    assert '| better | 0.50 ± 0.00 (3) | +0.00 [+0.00, +0.00] | 0 of 3 | 1.000 | 1.000 |' in second


def test_a_table_compares_as_its_metric_says_and_corrects_both_tests(study, monkeypatch):
    """Two rows are compared: two sign tests, but one t test, as the differences of the other row do not vary."""
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    table, line = RawValues(study.with_name('results.csv')), {'config_hash': 'h', 'test/mIoU': 0.0}
    for seed, rmse in enumerate((0.40, 0.39, 0.38)):
        table.add({**line, 'name': 'better', 'seed': seed, 'test/rmse': rmse})
        table.add({**line, 'name': 'once', 'seed': seed, 'test/rmse': 0.6})
    first, second = pages.study_tables(study, ROOT).split('**Study: RMSE** (lower is better)')
    p = 2 * stats.t.sf(0.11 / (0.01 / math.sqrt(3)), 2)
    assert f'| better | 0.39 ± 0.02 (3) | +0.11 [+0.09, +0.13] | 3 of 3 | {p:.3f} | 0.500 |' in second
    assert '| once | 0.60 ± 0.00 (3) | -0.10 | 0 of 3 |  | 0.500 |' in second
    assert first.count('| 0.0 ± 0.0 (3) | -51.0 [-53.5, -48.5] | 0 of 3 |') == 2  # zero is a value as any other


def test_the_t_test_is_corrected_for_all_rows(study, monkeypatch):
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    study.with_name('results.csv').unlink()
    table, better = RawValues(study.with_name('results.csv')), (51.0, 51.5, 53.0)
    for name, values in (('base', (50.0, 51.0, 52.0)), ('better', better), ('once', better)):
        for seed, value in enumerate(values):
            table.add({'name': name, 'config_hash': 'h', 'seed': seed, 'test/mIoU': value})
    p = 2 * stats.t.sf(5.0, 2)  # differences of 1, 0.5, 1
    assert pages.study_tables(study, ROOT).count(f'| 3 of 3 | {2 * p:.3f} | 0.500 |') == 2


def test_any_row_can_be_compared_with(study, monkeypatch, capsys):
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    main(['compare', str(study), '--against', 'better'])
    said = capsys.readouterr().out
    assert '| better than better by |' in said and '| -3.0 [-5.5, -0.5] | 0 of 3 |' in said
    with pytest.raises(SystemExit, match='has no row worse; it has base, better, once, never'):
        main(['compare', str(study), '--against', 'worse'])


def test_a_study_without_a_run_and_one_without_a_baseline(study, monkeypatch):
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    content = yaml.safe_load(study.read_text())
    del content['baseline'], content['flops_shape']
    study.write_text(yaml.safe_dump({**content, 'baseline': 'once'}))
    assert 'No row has two seeds that its baseline has, too, none of them diverged, whose' in pages.study_tables(
        study, ROOT
    )
    study.write_text(yaml.safe_dump(content))
    text = pages.study_tables(study, ROOT)
    assert '| row | parameters (M) | lr_mult, chosen | mIoU, mean (seeds) |' in text
    assert 'better than' not in text and 'told from' not in text
    study.with_name('results.csv').unlink()
    assert pages.study_tables(study, ROOT).count('| base | not run |  | not run |') == 1


def test_equal_differences_are_not_said_to_be_missing(study):
    study.with_name('results.csv').unlink()
    for name, values in (('base', (50.0, 51.0)), ('never', (51.0, 52.0))):
        for seed, value in enumerate(values):
            RawValues(study.with_name('results.csv')).add(
                {'name': name, 'config_hash': 'h', 'seed': seed, 'test/mIoU': value}
            )
    lines = pages.study_tables(study, ROOT).splitlines()
    assert next(line for line in lines if line.startswith('No row has two seeds')).endswith(
        'none of them diverged, whose differences vary: no difference in mIoU can be told from chance.'
    )


def test_runs_that_left_images_out_are_named_below_the_tables(study):
    before = pages.study_tables(study, ROOT)
    RawValues(study.with_name('results.csv')).add(
        {'name': 'never', 'config_hash': 'h', 'seed': 0, 'test/mIoU': 1.0, 'unreadable': 7}
    )
    said = 'Images that could not be read were left out of these runs: never, seed 0: 7.'
    assert said not in before and pages.study_tables(study, ROOT).splitlines()[-1] == said


@pytest.mark.parametrize(
    'change, said',
    [
        (lambda text: text.replace(',', ';'), 'has no column name, config_hash, seed'),
        (lambda text: text + '<<<<<<< HEAD\n', 'line 3, is no line of a run'),
        (lambda text: text[:20] + text[20:].replace('h,1', 'h,'), 'line 2, is no line of a run'),
        (lambda text: text + 'a,,h,1,,,,,,,,,5,6,7\n', 'line 3, is no line of a run'),
    ],
)
def test_a_file_that_something_else_wrote_is_named(change, said, tmp_path):
    table = RawValues(tmp_path / 'results.csv')
    table.add({'name': 'a', 'config_hash': 'h', 'seed': 1, 'mIoU': 5.0})
    text = table.path.read_text()
    table.path.write_text(text, encoding='utf-8-sig', newline='\r\n')  # as a spreadsheet writes it
    assert [line['mIoU'] for line in table.read()] == ['5']
    table.path.write_text(change(text))
    with pytest.raises(ValueError, match=f'results.csv.*{said}'):
        table.read()


def test_a_metric_that_the_baseline_does_not_have_is_not_compared(study, monkeypatch):
    monkeypatch.setattr(pages, 'link', lambda name, config, folder: name)
    content = yaml.safe_load(study.read_text())
    content['metrics'].append({'key': 'train/entropy', 'label': 'entropy', 'digits': 2})
    study.write_text(yaml.safe_dump(content))
    RawValues(study.with_name('results.csv')).add(
        {'name': 'better', 'config_hash': 'h', 'seed': 3, 'test/mIoU': 5.0, 'train/entropy': 0.25}
    )
    third = pages.study_tables(study, ROOT).split('**Study: entropy** (higher is better)')[1]
    assert third.strip().splitlines() == [
        '| row | entropy, mean (seeds) |',
        '| --- | --- |',
        '| better | 0.25 (1) |',
    ]


def test_a_page_holds_the_tables_of_its_study(study, tmp_path, monkeypatch):
    for module in (pages, metafile):
        monkeypatch.setattr(module, 'ROOT', tmp_path)
    readme = tmp_path / 'README.md'
    readme.write_text('x\n<!-- begin table: study.yml -->\nold\n<!-- end table -->\ny\n')
    text = pages.rendered(readme)
    assert text == (
        f'x\n<!-- begin table: study.yml -->\n\n{pages.study_tables(study, tmp_path)}\n<!-- end table -->\ny\n'
    )
    readme.write_text(text)
    assert pages.rendered(readme) == text
    RawValues(study.with_name('results.csv')).add({'name': 'never', 'config_hash': 'h', 'seed': 0, 'test/mIoU': 1.0})
    assert pages.rendered(readme) != text


def test_a_summary_is_the_table_of_the_first_metric(study, tmp_path, monkeypatch):
    for module in (pages, metafile):
        monkeypatch.setattr(module, 'ROOT', tmp_path)
    readme = tmp_path / 'README.md'
    readme.write_text('x\n<!-- begin summary: study.yml -->\n<!-- end summary -->\ny\n')
    lines = pages.rendered(readme).splitlines()
    assert lines[:3] == ['x', '<!-- begin summary: study.yml -->', ''] and lines[3].startswith('| Study | mIoU, mean')
    assert [line.split(' | ')[0] for line in lines if line.startswith('| ')] == [
        '| Study',
        '| ---',
        *(f'| {name}' for name in ('base', 'better')),  # and none of a single seed
    ]
    assert lines[-3:] == ['', '<!-- end summary -->', 'y'] and not any(
        'Holm' in line or 'p, ' in line for line in lines
    )
    study.with_name('results.csv').unlink()
    assert pages.rendered(readme).splitlines()[3] == 'Study: no row has been run with all seeds.'


def test_the_pictures_show_every_row_that_was_run(study, monkeypatch):
    pytest.importorskip('matplotlib')
    from freqfusion_mm.apis.studies import plots

    figures = []

    class Kept(plots.Figure):
        def savefig(self, *args, **options):
            figures.append(self)
            super().savefig(*args, **options)

    monkeypatch.setattr(plots, 'Figure', Kept)
    pictures = plots.draw(read_study(study))
    assert [picture.name for picture in pictures] == ['results.png', 'curves.png']
    assert all(picture.read_bytes().startswith(b'\x89PNG') for picture in pictures)
    boxes, curves = figures
    dots = [line for line in boxes.axes[0].lines if line.get_marker() == 'o']
    assert [list(line.get_xdata()) for line in dots] == [[50, 51, 52], [52, 54, 56], [51]]
    assert [label.get_text() for label in boxes.axes[0].get_yticklabels()] == ['base', 'better', 'once']
    assert [axis.get_title() for axis in curves.axes] == ['train/loss', 'val/mIoU']
    means = {line.get_label(): line for line in curves.axes[1].lines if not line.get_label().startswith('_')}
    assert list(means['better'].get_ydata()) == [40, 51] and 'never' not in means
    study.with_name('curves.csv').unlink()
    with pytest.raises(ValueError, match='wants finished runs to draw'):
        plots.draw(read_study(study))
