"""Studies: what their YAML may say, which runs follow from it, and which setting is chosen."""

import pytest
import yaml

from freqfusion_mm.apis.studies.raw_values import RawValues
from freqfusion_mm.apis.studies.study import Choice, Choose, Metric, read_study

STUDY = {
    'name': 'S',
    'seeds': [0, 1],
    'baseline': 'a',
    'rows': [{'name': 'a', 'config': 'CONFIG', 'options': {'x.y': 2}}, {'name': 'b', 'config': 'CONFIG'}],
    'metrics': [{'key': 'test/mIoU', 'label': 'mIoU'}],
}


@pytest.fixture
def config(tmp_path):
    file = tmp_path / 'config.py'
    file.write_text("x = dict(y=1, z={'p.q': 0})\nroot = '{{$SOME_ROOT:data/}}'\nwork_dir = 'w'\n")
    return file


@pytest.fixture
def write(tmp_path, config):
    """Writes STUDY, changed: `{'rows.0.name': 'c'}` sets an entry, and None takes it away."""

    def write(changes=None):
        study = yaml.safe_load(yaml.safe_dump(STUDY).replace('CONFIG', str(config)))
        for path, value in (changes or {}).items():
            place = study
            *way, last = (int(part) if part.isdecimal() else part for part in path.split('.'))
            for part in way:
                place = place[part]
            if value is None:
                del place[last]
            else:
                place[last] = value
        file = tmp_path / 'study.yml'
        file.write_text(yaml.safe_dump(study, sort_keys=False))
        return file

    return write


def test_a_study_is_read_with_its_defaults(write, tmp_path):
    study = read_study(write())
    assert (study.name, study.seeds, study.baseline, study.data, study.flops_shape) == ('S', (0, 1), 'a', '', None)
    assert study.metrics == (Metric('test/mIoU', 'mIoU', higher_is_better=True, digits=1),)
    assert [(row.name, row.options, row.choose) for row in study.rows] == [('a', {'x.y': 2}, None), ('b', {}, None)]
    assert study.raw_values == tmp_path / 'results.csv'
    choosing = {
        'rows.1.choose': {'key': 'x.y', 'values': [1, 0.1]},
        'choice': {'seed': 100, 'metric': 'val/mIoU', 'options': {'x.t': 1}},
        'flops_shape': [3, 8, 8],
    }
    study = read_study(write(choosing))
    assert study.rows[1].choose == Choose('x.y', (1, 0.1)) and study.flops_shape == (3, 8, 8)
    assert study.choice == Choice(100, 'val/mIoU', {'x.t': 1}, higher_is_better=True)


CHOICE = {'seed': 100, 'metric': 'val/mIoU'}


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'name': None}, 'wants an entry name .str., which is missing'),
        ({'seed': [0]}, "unknown entry 'seed'; did you mean seeds"),
        ({'seeds': []}, 'seeds wants whole numbers, at least one, got '),
        ({'seeds': [0, '1']}, 'seeds wants whole numbers'),
        ({'seeds': [0, 0]}, 'seeds wants each once, got 0 twice'),
        ({'seeds': 3}, 'seeds wants list, got 3'),
        ({'rows': []}, 'rows wants at least one'),
        ({'rows.1.name': 'a'}, "rows wants each once, got 'a' twice"),
        ({'rows.1.name': 'a/b'}, 'name wants text without / and |'),
        ({'rows.1.config': 'no.py'}, r'rows\[b\]: config wants a file, .* got no.py'),
        ({'rows.1': 'b'}, r"rows\[1\] wants a mapping, got 'b'"),
        ({'rows.0.option': {}}, r"rows\[a\] has the unknown entry 'option'; did you mean options"),
        ({'rows.0.options': {'lr': '1e-3'}}, "lr wants a number, got the text '1e-3'; write 1e-3 as 1.0e-3"),
        ({'rows.0.options': {1: 2}}, 'options wants keys like train_cfg.max_iters, got 1'),
        ({'baseline': 'c'}, "baseline wants the name of a row .a, b., got 'c'"),
        ({'metrics.0.key': 'mIoU'}, 'key wants to begin with val/, test/, robustness/, train/, got mIoU'),
        ({'metrics.0.digits': 'one'}, "digits wants int, got 'one'"),
        ({'metrics.0.higher_is_better': 1}, 'higher_is_better wants bool, got 1'),
        ({'flops_shape': [3, 8]}, r'flops_shape wants \[channels, height, width\], got \[3, 8\]'),
        ({'robustness_images': 0}, 'robustness_images wants a positive number, got 0'),
        ({'rows.1.choose': {'key': 'x', 'values': [1, 2]}}, 'row b has `choose`, so the study wants a `choice`'),
        ({'rows.1.choose': {'key': 'x', 'values': [1]}, 'choice': CHOICE}, 'values wants at least two'),
        ({'choice': {**CHOICE, 'metric': 'test/mIoU'}}, 'metric wants one of val/ or train/, never of the test'),
        ({'choice': {**CHOICE, 'seed': 1}}, r'choice.seed wants a seed that no result uses, got 1 of \[0, 1\]'),
    ],
)
def test_a_mistake_is_one_clear_error(write, changes, message):
    file = write(changes)
    with pytest.raises(ValueError, match=message) as caught:
        read_study(file)
    assert str(caught.value).startswith(str(file)) and '\n' not in str(caught.value)


def test_a_file_that_is_no_yaml_and_one_that_is_no_mapping(tmp_path):
    file = tmp_path / 'study.yml'
    file.write_text('name: [')
    with pytest.raises(ValueError, match='is no YAML: .* line 1'):
        read_study(file)
    file.write_text('- 1')
    with pytest.raises(ValueError, match=r'wants a mapping, got \[1\]'):
        read_study(file)
    file.write_text('Models: []')
    with pytest.raises(ValueError, match='is a metafile, and a study is wanted'):
        read_study(file)


@pytest.fixture
def jobs():
    return pytest.importorskip('freqfusion_mm.apis.studies.jobs', reason='jobs hold configs of mmengine')


def test_all_rows_of_a_seed_come_before_the_next_seed(jobs, write):
    study = read_study(write({'options': {'x.y': 5, 'x.w': 6}, 'flops_shape': [3, 8, 8]}))
    listed = jobs.results(study, study.seeds)
    assert [(job.name, job.seed) for job in listed] == [('a', 0), ('b', 0), ('a', 1), ('b', 1)]
    assert listed[0].options == {'x.y': 2, 'x.w': 6}  # a row's options go over the study's
    assert {job.flops_shape for job in listed} == {(3, 8, 8)} and {job.curves for job in listed} == {('mIoU',)}
    assert not listed[0].robustness and listed[0].config_hash == listed[2].config_hash != listed[1].config_hash
    assert [job.name for job in jobs.results(study, [3], ['b'])] == ['b']
    with pytest.raises(ValueError, match='has no row c; it has a, b'):
        jobs.results(study, [0], ['c'])


def test_curves_are_those_of_the_metrics_on_either_split(jobs, write):
    for key in ('test/mIoU', 'val/mIoU'):
        assert jobs.results(read_study(write({'metrics.0.key': key})), [0])[0].curves == ('mIoU',)


def test_the_folder_of_a_run_needs_no_quotes(jobs, tmp_path):
    job = jobs.Job('carafe, a tenth/half of the rate', 'c.py', 'h', 3)
    assert job.folder(tmp_path) == tmp_path / 'carafe-a-tenth-half-of-the-rate_seed3_h'


def test_robustness_on_other_images_is_another_run(jobs, write):
    robust = {'metrics.0.key': 'robustness/corrupted mIoU'}
    whole, some = (
        jobs.results(read_study(write({**robust, **more})), [0])[0] for more in ({}, {'robustness_images': 9})
    )
    assert whole.robustness and some.robustness and (whole.robustness_images, some.robustness_images) == (None, 9)
    assert whole.config_hash != some.config_hash
    plain, same = (jobs.results(read_study(write(more)), [0])[0] for more in ({}, {'robustness_images': 9}))
    assert plain.config_hash == same.config_hash == whole.config_hash


def test_the_hash_is_of_what_the_config_resolves_to(jobs, config, monkeypatch):
    before = jobs.config_hash(str(config), {'x.y': 3})
    assert len(before) == 12 and before != jobs.config_hash(str(config), {})
    monkeypatch.setenv('SOME_ROOT', '/elsewhere/')  # where the data lie is not what is measured
    config.write_text(config.read_text().replace('y=1', 'y=3').replace("'w'", "'v'") + 'randomness = dict(seed=4)\n')
    with open(config, 'a') as file:
        file.write("data_help = 'where the data come from'\n")
    assert jobs.config_hash(str(config), {}) == before


def test_options_make_nested_keys_and_keep_dots_inside_their_values(jobs, config, tmp_path):
    pytest.importorskip('mmcv', reason='a run registers every name')
    options = {'x.new.keys.fusions.lr_mult': 0.1, 'x.whole': {'head.fusions': {'lr_mult': 0.5}}}
    job = jobs.Job('a', str(config), 'h', 7, options)
    cfg = job.load(tmp_path / 'run')
    assert cfg.x.new['keys'].fusions.lr_mult == 0.1 and cfg.x.whole['head.fusions'].lr_mult == 0.5
    assert cfg.x.y == 1 and cfg.randomness.seed == 7 and cfg.work_dir == str(tmp_path / 'run')


def test_the_value_of_the_best_validation_is_chosen(jobs, write):
    changes = {
        'rows.1.choose': {'key': 'x.y', 'values': [1, 0.1]},
        'choice': {**CHOICE, 'options': {'x.t': 1}},
        'metrics.0.key': 'robustness/mIoU',
    }
    file = write(changes)
    study = read_study(file)
    short = jobs.choices(study)
    assert [(job.name, job.choice, job.seed, job.options) for job in short] == [
        ('b', 1, 100, {'x.y': 1, 'x.t': 1}),
        ('b', 0.1, 100, {'x.y': 0.1, 'x.t': 1}),
    ]
    assert not any(job.test or job.robustness for job in short)  # the test set chooses nothing
    with pytest.raises(ValueError, match='x.y of row b has not been chosen yet: no run of 1 in choices.csv'):
        jobs.results(study, [0])
    assert [job.name for job in jobs.results(study, [0], ['a'])] == ['a']

    def chosen(values, study=study):
        for job, value in zip(jobs.choices(study), values):
            name, config_hash, seed = job.key
            RawValues(study.choices).add(
                {'name': name, 'config_hash': config_hash, 'seed': seed, 'val/mIoU': value, 'test/mIoU': -value}
            )
        [_, job] = jobs.results(study, [0])
        assert job.options == {'x.y': job.choice} and job.robustness and job.test
        return job.choice

    assert chosen([40.0, 41.0]) == 0.1
    assert chosen([41.0, 40.0]) == 1
    assert chosen([40.0, 40.0]) == 1  # the first of equals
    assert chosen([float('nan'), 3.0]) == 0.1
    lists = {'key': 'x.y', 'values': [[1], [0.1]]}
    assert chosen([40.0, 41.0], read_study(write({**changes, 'rows.1.choose': lists}))) == [0.1]
    misspelt = read_study(write({**changes, 'choice': {**CHOICE, 'metric': 'val/miou', 'options': {'x.t': 1}}}))
    with pytest.raises(ValueError, match='by val/miou, which the run of b with 1 has not given; it gave val/mIoU'):
        jobs.results(misspelt, [0])
    assert chosen([40.0, 41.0], read_study(write({**changes, 'choice.higher_is_better': False}))) == 1


def test_metrics_that_a_study_names_since_its_runs_are_named(jobs, write):
    study = read_study(write({}))
    key = study.metrics[0].key
    for name, values in (('a', {}), ('b', {key: 1.0})):
        RawValues(study.raw_values).add({'name': name, 'config_hash': 'h', 'seed': 0, **values})
    assert jobs.unmeasured(study) == {'a': [key]}
    key = 'robustness/corrupted mIoU'
    assert jobs.unmeasured(read_study(write({'metrics.0.key': key}))) == {'a': [key], 'b': [key]}
    study = read_study(write({'metrics.0.key': 'train/upsampler/outside'}))  # which not every upsampler has
    assert jobs.unmeasured(study) == {}
