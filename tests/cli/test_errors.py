"""A user's mistake is one line; any other error keeps its traceback. Options are called the same everywhere."""

from argparse import ArgumentParser
from importlib import import_module

import pytest

pytest.importorskip('mmengine', reason='the commands run on mmengine')

import freqfusion_mm  # noqa: E402
from freqfusion_mm.apis.errors import CheckpointError, UnreadableImage  # noqa: E402
from freqfusion_mm.cli.arguments import add_run, names_of  # noqa: E402
from freqfusion_mm.cli.errors import building, one_line  # noqa: E402
from freqfusion_mm.cli.main import COMMANDS, main  # noqa: E402


def test_an_error_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r'^error: wanted a, got b$'):
        with one_line(), building():
            raise ValueError('wanted a,\n   got b')
    with pytest.raises(SystemExit, match=r'^error: KeyError: no such type$'):
        with one_line(), building():
            raise KeyError('no such type')


def test_what_a_framework_refuses_is_answered_with_our_names() -> None:
    import freqfusion_mm.registration  # noqa: F401

    with pytest.raises(SystemExit, match=r'not in the mmseg::model registry.* \(did you mean FusionSegformerHead\?\)$'):
        with one_line(), building():
            raise KeyError('FusionSegFormerHead is not in the mmseg::model registry. Please check')
    with pytest.raises(SystemExit, match="'upsample_cfg'; modules of ours take it in the stock one's place"):
        with one_line(), building():
            raise TypeError("BaseDecodeHead.__init__() got an unexpected keyword argument 'upsample_cfg'")


def test_a_traceback_on_request() -> None:
    with pytest.raises(Exception, match='wanted') as caught:
        with one_line(show_traceback=True), building():
            raise ValueError('wanted')
    assert not isinstance(caught.value, SystemExit) and isinstance(caught.value.__cause__, ValueError)


def test_while_running_only_checkpoints_and_images_are_the_users() -> None:
    for bug in (RuntimeError('a bug'), ValueError('a bug')):
        with pytest.raises(type(bug)):
            with one_line():
                raise bug
    for mistake in (CheckpointError('another model'), UnreadableImage('a.jpg')):
        with pytest.raises(SystemExit, match=f'^error: {mistake}'):
            with one_line():
                raise mistake


def test_an_interruption_is_one_word(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        with one_line():
            raise KeyboardInterrupt
    assert stop.value.code == 130 and capsys.readouterr().err == 'interrupted\n'
    with pytest.raises(KeyboardInterrupt), one_line(show_traceback=True):
        raise KeyboardInterrupt


def test_what_our_code_refuses_while_measuring_is_the_users() -> None:
    with pytest.raises(SystemExit, match='^error: no such layer'):
        with one_line(), building(ValueError):
            raise ValueError('no such layer')
    with pytest.raises(TypeError):
        with one_line(), building(ValueError):
            raise TypeError('a bug')


def test_what_mim_and_torch_pass_on() -> None:
    parser = ArgumentParser()
    add_run(parser)
    for spelling in ('--local_rank=1', '--local-rank=1'):
        args = parser.parse_args(
            ['a.py', '--launcher', 'none', spelling, '--work-dir', 'w', '--cfg-options', 'a.b=1', 'c=[2,3]']
        )
        assert (args.config, args.local_rank, args.work_dir) == ('a.py', 1, 'w')
        assert args.cfg_options == {'a.b': 1, 'c': [2, 3]}
    # mim adds `--gpus N` or `--device cpu` where the help names the option; mmengine needs neither.
    assert '--gpus' not in parser.format_help() and '--device' not in parser.format_help()


def options_of(name: str) -> dict[str, str]:
    """--option -> its kind of value, of a command."""
    parser = ArgumentParser()
    import_module(f'freqfusion_mm.cli.{name.replace("-", "_")}').add_arguments(parser)
    return {word: str(action.type) for action in parser._actions for word in action.option_strings}


def test_the_same_words_everywhere() -> None:
    compared = ('side-by-side', 'similarity', 'robustness', 'boundaries')
    models = ('train', 'test', 'infer', 'export', 'convert', 'gridding', *compared)
    options = {name: options_of(name) for name in models}
    for name, words in options.items():
        assert {'--cfg-options', '--traceback'} <= words.keys(), name
        assert '--out' in words or name == 'train'
        assert ('--device' in words) == (name not in ('train', 'test', 'convert')), name
    for name in compared:
        assert {'--model', '--title'} <= options[name].keys()


def test_titles_keep_the_points_of_a_name() -> None:
    configs = ['a/espnetv2_s2.0_hff.py', 'espnetv2_s2.0_strided', 'b/c.py']
    assert names_of(configs, []) == ['espnetv2_s2.0_hff', 'espnetv2_s2.0_strided', 'c']
    assert names_of(configs, ['first'])[0] == 'first'
    with pytest.raises(ValueError, match='each model needs a name of its own'):
        names_of(['a/c.py', 'b/c.py'], [])
    assert names_of(['a/c.py', 'b/c.py', 'd.py'], ['x', 'x'], repeated=True) == ['x', 'x', 'd']
    for configs in (['a/c.py', 'b/c.py'], ['a/c.py', 'x.py']):  # what nobody gave a title is no run of another
        with pytest.raises(ValueError, match='each model needs a name of its own'):
            names_of(configs, ['x'] if 'x.py' in configs else [], repeated=True)


def test_every_command_has_a_line_and_a_module(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(['-h'])
    shown = capsys.readouterr().out
    assert all(f'  {name} ' in shown for name in COMMANDS)
    with pytest.raises(SystemExit) as refused:
        main(['trian'])
    assert refused.value.code == 2 and 'invalid choice' in capsys.readouterr().err


def test_config_prints_a_path(capsys: pytest.CaptureFixture) -> None:
    assert main(['config', 'default_runtime']) == 0
    assert capsys.readouterr().out.strip().endswith('configs/_base_/default_runtime.py')
    with pytest.raises(SystemExit, match='^error: no config is called'):
        main(['config', 'default_runtme'])


@pytest.mark.parametrize('settings', [['a=1', 'config.py'], ['a=[1,2']])
def test_settings_that_are_none_are_refused_in_words(settings, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(['train', 'config.py', '--cfg-options', *settings])
    assert '--cfg-options wants KEY=VALUE ..., after the other arguments' in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['--version'])
    assert ended.value.code == 0 and capsys.readouterr().out == f'freqfusion_mm {freqfusion_mm.__version__}\n'
