"""Small worlds."""

import os

import pytest
from world import World


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A new `World`, and the current folder in it."""
    pytest.importorskip('mmseg')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    yield World(tmp_path)
    os.environ.pop('LOCAL_RANK', None)
