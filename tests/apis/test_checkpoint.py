"""Checkpoints are read as data only, and belong to their model or are refused."""

import contextlib
import os
from collections import OrderedDict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from torch import nn

from freqfusion_mm.apis.checkpoint import load_checkpoint, load_strictly, read_checkpoint
from freqfusion_mm.apis.errors import CheckpointError
from freqfusion_mm.compat import read_checkpoints_as_data


class RunsWhenRead:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.folder,)


def test_weights_and_plain_data_come_back(tmp_path: Path) -> None:
    saved = dict(
        state_dict=nn.Conv2d(2, 3, 3).state_dict(),
        meta=dict(iter=3, classes=('a', 'b'), palette=[[1, 2, 3]], seen={1, 2}, cfg='x = 1'),
        optimizer=dict(state={0: dict(step=torch.tensor(1.0), momentum=torch.ones(2).half())}),
    )
    torch.save(saved, tmp_path / 'plain.pth')
    read = read_checkpoint(str(tmp_path / 'plain.pth'))
    assert read['meta'] == saved['meta']
    assert torch.equal(read['state_dict']['weight'], saved['state_dict']['weight'])
    assert read['optimizer']['state'][0]['momentum'].dtype == torch.float16


def test_a_log_history_comes_back(tmp_path: Path) -> None:
    """What mmengine saves beside the weights, and wants back for resuming."""
    MessageHub = pytest.importorskip('mmengine.logging').MessageHub
    hub = MessageHub('test_a_log_history_comes_back')
    hub.update_scalar('train/loss', 2.0)
    hub.update_scalar('train/loss', 4.0)
    hub.update_info('numbers', dict(array=np.arange(3), scalar=np.float64(0.5), flag=np.bool_(True)))
    torch.save(dict(state_dict={}, message_hub=hub.state_dict(), meta={1, 2}), tmp_path / 'run.pth')
    read = MessageHub('test_a_log_history_comes_back again')
    read.load_state_dict(read_checkpoint(str(tmp_path / 'run.pth'))['message_hub'])
    history = read.get_scalar('train/loss')
    assert history.mean() == 3.0 and history.statistics('current') == 4.0
    assert read.get_info('numbers')['array'].tolist() == [0, 1, 2]


@pytest.mark.parametrize('new_format', [True, False])
def test_code_is_not_run(tmp_path: Path, new_format: bool) -> None:
    torch.save(
        dict(state_dict={}, meta=RunsWhenRead(tmp_path / 'it_ran')),
        tmp_path / 'evil.pth',
        _use_new_zipfile_serialization=new_format,
    )
    with pytest.raises(CheckpointError, match='could run code'):
        read_checkpoint(str(tmp_path / 'evil.pth'))
    assert not (tmp_path / 'it_ran').exists()


def test_getattr_is_let_through_for_the_log_history_alone(tmp_path: Path) -> None:
    HistoryBuffer = pytest.importorskip('mmengine.logging').HistoryBuffer

    class ReachesFurther:
        def __reduce__(self) -> tuple:
            return getattr, (HistoryBuffer, '__init__')

    torch.save(dict(meta=ReachesFurther()), tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError):
        read_checkpoint(str(tmp_path / 'evil.pth'))


@pytest.mark.parametrize('content', [b'', b'<html>not found</html>', b'PK\x03\x04 half a file', b"_base_ = 'a.py'"])
def test_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'broken.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match='is no checkpoint, or a broken one'):
        read_checkpoint(str(tmp_path / 'broken.pth'))


def test_a_file_of_the_old_format_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole, part = tmp_path / 'whole.pth', tmp_path / 'part.pth'
    torch.save(model().state_dict(), whole, _use_new_zipfile_serialization=False)
    content = whole.read_bytes()
    for length in range(1, len(content), 7):
        part.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match='a broken one|is not read'):  # the latter within a name
            read_checkpoint(str(part))


def test_missing_and_odd_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='does not exist'):
        read_checkpoint(str(tmp_path / 'gone.pth'))
    with pytest.raises(CheckpointError, match='is a folder; give the path'):
        read_checkpoint(str(tmp_path))
    torch.save([torch.zeros(1)], tmp_path / 'list.pth')
    with pytest.raises(CheckpointError, match='holds a list'):
        read_checkpoint(str(tmp_path / 'list.pth'))


def model() -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(2, 3, 1), norm=nn.BatchNorm2d(3)))


def test_fitting_weights_are_loaded() -> None:
    source, target = model(), model()
    state_dict = {
        f'module.{key}': value for key, value in source.state_dict().items() if not key.endswith('num_batches_tracked')
    }
    load_strictly(target, dict(state_dict=state_dict), 'fits.pth')
    assert torch.equal(target.conv.weight, source.conv.weight)


@pytest.mark.parametrize(
    'change, said',
    [
        (lambda weights: weights.pop('conv.bias'), r'1 keys missing in it \(conv.bias\)'),
        (lambda weights: weights.update(head=torch.zeros(1)), r'1 keys not in the model \(head\)'),
        (
            lambda weights: weights.update({'conv.weight': torch.zeros(4, 2, 1, 1)}),
            r'1 tensors of another shape .*conv',
        ),
        (lambda weights: weights.pop('norm.running_var'), r'1 keys missing in it \(norm.running_var\)'),
    ],
)
def test_another_models_weights_are_refused(change, said: str) -> None:
    weights = dict(model().state_dict())
    change(weights)
    with pytest.raises(CheckpointError, match=said):
        load_strictly(model(), weights, 'other.pth')


def test_mmengine_reads_files_and_downloads_as_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mmengines = pytest.importorskip('mmengine.runner.checkpoint')
    monkeypatch.setattr(mmengines.CheckpointLoader, '_schemes', dict(mmengines.CheckpointLoader._schemes))
    monkeypatch.setattr(mmengines, 'load_from_http', mmengines.load_from_http)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    read_checkpoints_as_data()
    (tmp_path / 'site').mkdir()
    torch.save(dict(weight=torch.ones(2)), tmp_path / 'site/good.pth')
    torch.save(dict(weight=RunsWhenRead(tmp_path / 'it_ran')), tmp_path / 'site/evil.pth')
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / 'site'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for place in (str(tmp_path / 'site'), f'http://127.0.0.1:{server.server_port}'):
            read = mmengines.CheckpointLoader.load_checkpoint(f'{place}/good.pth', map_location='cpu')
            assert torch.equal(read['weight'], torch.ones(2))
            with pytest.raises(CheckpointError, match='could run code'):
                mmengines.CheckpointLoader.load_checkpoint(f'{place}/evil.pth', map_location='cpu')
        # On a second machine the folder is another one: what the first process has downloaded is not there.
        monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'other hub'))
        monkeypatch.setattr('mmengine.dist.is_main_process', lambda: False)
        address = f'http://127.0.0.1:{server.server_port}/good.pth?download=true'
        assert torch.equal(mmengines.CheckpointLoader.load_checkpoint(address)['weight'], torch.ones(2))
        assert (tmp_path / 'other hub/checkpoints/good.pth').is_file()  # what follows the name is none of it
        # What came cut off is not kept.
        whole = (tmp_path / 'site/good.pth').read_bytes()
        for content, works in ((whole[:100], False), (whole, True)):
            (tmp_path / 'site/late.pth').write_bytes(content)
            with contextlib.nullcontext() if works else pytest.raises(CheckpointError, match='broken'):
                mmengines.CheckpointLoader.load_checkpoint(f'http://127.0.0.1:{server.server_port}/late.pth')
        # What lay there before is the user's, broken or not.
        (tmp_path / 'other hub/checkpoints/mine.pth').write_bytes(b'broken')
        with pytest.raises(CheckpointError):
            mmengines.CheckpointLoader.load_checkpoint(f'http://127.0.0.1:{server.server_port}/mine.pth')
        assert (tmp_path / 'other hub/checkpoints/mine.pth').exists()
        gone = f'http://127.0.0.1:{server.server_port}/gone.pth'
        monkeypatch.setattr('mmengine.dist.is_main_process', lambda: True)
        with pytest.raises(
            CheckpointError, match=f'{gone} cannot be fetched .*: fetch it elsewhere and put it at .*gone.pth'
        ):
            mmengines.CheckpointLoader.load_checkpoint(gone)
        torch.save(nn.Linear(1, 1).state_dict(), tmp_path / 'site/linear.pth')
        load_checkpoint(nn.Linear(1, 1), gone.replace('gone', 'linear'))
        server.shutdown()
    assert not (tmp_path / 'it_ran').exists()


def test_the_stock_model_s_weights_are_named_as_such():
    pytest.importorskip('mmdet')
    from mmdet.models.necks import FPN

    from freqfusion_mm.models.necks import FusionFPN

    options = dict(in_channels=[8, 16], out_channels=8, num_outs=2)
    stock = FPN(**options).state_dict()
    load_strictly(FusionFPN(**options, upsample_cfg='nearest'), dict(state_dict=stock), 'stock.pth')
    with pytest.raises(CheckpointError, match=r'has no weights for the upsamplers \(\d+ keys, .* by load_from'):
        load_strictly(FusionFPN(**options), dict(state_dict=stock), 'stock.pth')
    del stock['lateral_convs.0.conv.weight']
    with pytest.raises(CheckpointError, match='belongs to another model'):
        load_strictly(FusionFPN(**options), dict(state_dict=stock), 'stock.pth')


class Versioned(nn.Module):
    """Version 1 kept its weight a hundred times as small."""

    _version = 2

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get('version') != 2:
            state_dict[f'{prefix}weight'] = 100 * state_dict[f'{prefix}weight']
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


@pytest.mark.parametrize('wrapper', ['', 'module.'])
def test_modules_are_told_the_version_of_their_weights(wrapper, tmp_path: Path) -> None:
    model = nn.ModuleDict(dict(backbone=Versioned()))
    saved = nn.ModuleDict(dict(module=model)) if wrapper else model
    nn.init.constant_(model.backbone.weight, 3)
    torch.save(dict(state_dict=saved.state_dict()), tmp_path / 'a.pth')
    nn.init.zeros_(model.backbone.weight)
    load_checkpoint(model, str(tmp_path / 'a.pth'))
    assert model.backbone.weight == 3
