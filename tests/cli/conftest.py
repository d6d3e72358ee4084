"""Commands in this process, on small worlds."""

import os
from types import SimpleNamespace

import pytest
from world import World


@pytest.fixture
def command(capsys):
    """command('infer', ...): runs it here; its exit status and what it printed."""
    from freqfusion_mm.cli.main import main

    def run(*arguments):
        capsys.readouterr()
        try:
            status, said = main([str(argument) for argument in arguments]), ''
        except SystemExit as end:
            status, said = (end.code, '') if isinstance(end.code, int) else (1, str(end.code))
        printed = capsys.readouterr()
        return SimpleNamespace(status=status, out=printed.out, err=printed.err + said)

    return run


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A new `World`, and the current folder in it."""
    pytest.importorskip('mmseg')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    yield World(tmp_path)
    os.environ.pop('LOCAL_RANK', None)
