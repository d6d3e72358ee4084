"""The zoo: what is found in a config, the line, and a sample of both frameworks, one config a neck and head type."""

import csv
import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')

from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.zoo import check, configs, markdown, places, walk  # noqa: E402
from freqfusion_mm.apis.zoo.report import FIELDS  # noqa: E402
from freqfusion_mm.apis.zoo.twins import TWINS, UNREACHED  # noqa: E402
from freqfusion_mm.apis.zoo.walk import buildable  # noqa: E402
from freqfusion_mm.cli.main import main  # noqa: E402

ROOT = Path(__file__).parents[2]
zoo_check = importlib.import_module('freqfusion_mm.apis.zoo.check')  # its function has the module's name
#: scope -> configs that have every twin between them.
SAMPLE = {
    'mmdet': [
        'carafe/mask-rcnn_r50_fpn-carafe_1x_coco.py',
        'centernet/centernet_r18_8xb16-crop512-140e_coco.py',
        'clrnet/clrnet.py',
        'cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py',
        'crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py',
        'detectors/cascade-rcnn_r50-rfp_1x_coco.py',
        'dyhead/atss_r50_fpn_dyhead_1x_coco.py',
        'fpg/faster-rcnn_r50_fpg-chn128_crop640-50e_coco.py',
        'glip/glip_atss_swin-t_a_fpn_dyhead_16xb2_ms-2x_funtune_coco.py',
        'grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco.py',
        'hrnet/faster-rcnn_hrnetv2p-w18-1x_coco.py',
        'htc/htc_r50_fpn_1x_coco.py',
        'libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco.py',
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
        'maskformer/maskformer_r50_ms-16xb1-75e_coco.py',
        'maskformer/maskformer_swin-l-p4-w12_64xb1-ms-300e_coco.py',
        'nas_fcos/nas-fcos_r50-caffe_fpn_fcoshead-gn-head_4xb4-1x_coco.py',
        'nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco.py',
        'pafpn/faster-rcnn_r50_pafpn_1x_coco.py',
        'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py',
        'queryinst/queryinst_r50_fpn_1x_coco.py',
        'resnet_strikes_back/mask-rcnn_r50-rsb-pre_fpn_1x_coco.py',
        'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py',
        'rtmdet/rtmdet_s_8xb32-300e_coco.py',
        'scnet/scnet_r50_fpn_1x_coco.py',
        'solo/decoupled-solo-light_r50_fpn_3x_coco.py',
        'solo/decoupled-solo_r50_fpn_1x_coco.py',
        'solo/solo_r50_fpn_1x_coco.py',
        'solov2/solov2-light_r18_fpn_ms-3x_coco.py',
        'yolact/yolact_r50_1xb8-55e_coco.py',
        'yolo/yolov3_d53_8xb8-320-273e_coco.py',
        'yolox/yolox_s_8xb8-300e_coco.py',
    ],
    'mmseg': [
        'beit/beit-base_upernet_8xb2-160k_ade20k-640x640.py',
        'bisenetv1/bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024.py',
        'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
        'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py',
        'deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py',
        'dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512.py',
        'erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py',
        'fastfcn/fastfcn_r50-d32_jpu_aspp_4xb2-80k_cityscapes-512x1024.py',
        'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py',
        'icnet/icnet_r50-d8_4xb2-80k_cityscapes-832x832.py',
        'mobilenet_v3/mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024.py',
        'ocrnet/ocrnet_hr18_4xb2-160k_cityscapes-512x1024.py',
        'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
        'point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py',
        'psanet/psanet_r50-d8_4xb4-80k_ade20k-512x512.py',
        'san/san-vit-b16_coco-stuff164k-640x640.py',
        'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py',
        'setr/setr_vit-l-mla_8xb1-160k_ade20k-512x512.py',
        'setr/setr_vit-l_pup_8xb2-160k_ade20k-512x512.py',
        'stdc/stdc1_4xb12-80k_cityscapes-512x1024.py',
        'unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py',
        'upernet/upernet_r50_4xb4-80k_ade20k-512x512.py',
        'vit/vit_deit-b16_mln_upernet_8xb2-160k_ade20k-512x512.py',
    ],
}


def model(scope, name):
    files = dict(configs(scope))
    if name not in files:
        pytest.skip(f'this {scope} ships no {name}')
    return Config.fromfile(files[name]).model.to_dict()


#: Their backbones take long; the twins in them are compared in small by `test_twins.py`.
LARGE = ('dpt', 'setr', 'vit')
CONFIGS = [
    pytest.param(scope, name, marks=pytest.mark.exhaustive if name.split('/')[0] in LARGE else ())
    for scope, names in SAMPLE.items()
    for name in names
]


@pytest.mark.slow
@pytest.mark.parametrize('scope, name', CONFIGS)
def test_the_line_reaches_it_and_equals_stock(scope, name):
    found = {place.key: place for place in places(model(scope, name), scope) if place.twin}
    assert found
    for place in found.values():
        assert check(place, scope) == ('yes', 'yes'), place


@pytest.mark.slow
def test_the_sample_has_every_twin():
    found = {
        place.twin.name
        for scope, names in SAMPLE.items()
        for name in names
        for place in places(model(scope, name), scope)
        if place.twin
    }
    assert found == {twin.name for twin in TWINS.values()}


def test_hrnet_has_a_twin_in_each_framework():
    (theirs,), (ours,) = (places(dict(backbone=dict(type='HRNet')), scope) for scope in ('mmdet', 'mmseg'))
    assert (theirs.twin.name, ours.twin.name) == ('FusionDetHRNet', 'FusionHRNet')


def test_twins_are_registered_and_no_module_is_said_twice():
    assert all(MODELS.get(twin.name) is not None for twin in TWINS.values())
    assert not set(TWINS) & set(UNREACHED)


def test_places_have_the_path_of_cfg_options_and_the_key_of_their_architecture():
    neck = dict(type='mmdet.FPN', in_channels=[8, 16], out_channels=8, num_outs=2)
    cfg = dict(
        neck=[dict(neck, init_cfg=dict(type='Xavier', layer='Conv2d')), dict(type='BFP')],
        decode_head=dict(type='FCNHead', in_channels=8),  # concatenates nothing
        auxiliary_head=[dict(type='FCNHead', input_transform='resize_concat')],
        panoptic_head=dict(in_channels=[8], feat_channels=4, pixel_decoder=dict(type='PixelDecoder')),
    )
    found = {place.path: place for place in places(cfg)}
    assert list(found) == [
        'model.neck.0',
        'model.neck.1',
        'model.auxiliary_head.0',
        'model.panoptic_head.pixel_decoder',
    ]
    assert found['model.panoptic_head.pixel_decoder'].cfg['in_channels'] == [8]
    (plain,) = places(dict(neck=dict(neck, type='FPN')))
    (wider,) = places(dict(neck=dict(neck, out_channels=16)))
    assert found['model.neck.0'].line() == {
        'model.neck.0.type': 'FusionFPN',
        'model.neck.0.upsample_cfg.type': 'FreqFusion',
    }
    assert plain.stock == found['model.neck.0'].stock and plain.key != wider.key


def test_a_twin_that_is_not_equal_is_said(monkeypatch):
    (place,) = places(dict(neck=dict(type='FPN', in_channels=[8, 16], out_channels=8, num_outs=2)))
    assert check(place, 'mmdet', None) == ('yes', '')
    monkeypatch.setitem(TWINS, 'FPN', TWINS['FPN']._replace(interpolation='bilinear'))
    equal, _ = check(place, 'mmdet', None)
    assert equal.startswith('differs by')
    monkeypatch.setitem(TWINS, 'FPN', TWINS['FPN']._replace(name='FusionHRFPN'))
    equal, trains = check(place, 'mmdet')
    assert 'RuntimeError' in equal and trains == 'yes'


def test_numbers_that_are_not_finite_are_equal_to_nothing(monkeypatch):
    (place,) = places(dict(neck=dict(type='FPN', in_channels=[8, 16], out_channels=8, num_outs=2)))
    zero, nan = torch.zeros(1), torch.full((1,), torch.nan)
    for stock, ours, said in (
        ([zero, nan], [zero, nan], 'the numbers of stock are not finite'),
        ([zero, zero], [zero, nan], 'differs in shape, or by NaN'),
        ([zero, zero], [zero, torch.zeros(2)], 'differs in shape, or by NaN'),
    ):
        results = iter((stock, ours))
        monkeypatch.setattr(zoo_check, '_flat', lambda outs, results=results: next(results))
        assert check(place, 'mmdet', None) == (said, '')


def test_only_folders_of_the_zoo_itself_are_left_out(tmp_path, monkeypatch):
    package = tmp_path / 'common' / 'site' / 'mmdet'
    for name in ('a/b.py', 'common/c.py', '_base_/d.py'):
        (package / '.mim/configs' / name).parent.mkdir(parents=True)
        (package / '.mim/configs' / name).write_text('')
    monkeypatch.setattr(walk, 'find_spec', lambda name: SimpleNamespace(origin=str(package / '__init__.py')))
    assert [name for name, _ in configs('mmdet')] == ['a/b.py']


def test_an_unknown_upsampler_is_refused_before_the_work(tmp_path):
    with pytest.raises(SystemExit, match="did you mean 'FreqFusion'"):
        main(['zoo-check', '--upsampler', 'FreqFuson', '--out', str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_step_that_was_not_asked_for_is_not_counted():
    row = dict.fromkeys(FIELDS, 'x') | dict(scope='mmdet', stock='FPN', ours='FusionFPN', equal='yes', trains='')
    assert '| mmdet FPN | FusionFPN | 1 | 1 | 1 |  |' in markdown([row]) and '| all | | 1 | | 1 |  |' in markdown([row])
    assert '| mmdet FPN | FusionFPN | 1 | 1 | 1 | 1 |' in markdown([row | dict(trains='yes')])
    assert '| mmdet FPN | FusionFPN | 1 | 1 | 1 | 0 |' in markdown([row | dict(trains='no gradient: a')])


def test_one_line_reaches_a_neck_that_is_a_list():
    neck = [
        dict(type='mmdet.FPN', in_channels=[8, 16], out_channels=8, num_outs=3),
        dict(type='mmdet.BFP', in_channels=8, num_levels=3, refine_level=1),
    ]
    config = Config(dict(model=dict(neck=neck)))
    config.merge_from_dict({'model.neck.0.type': 'FusionFPN', 'model.neck.0.upsample_cfg.type': 'FreqFusion'})
    with DefaultScope.overwrite_default_scope('mmdet'):
        built = MODELS.build(config.model.neck)
    outs = built([torch.rand(1, 8, 13, 11), torch.rand(1, 16, 7, 6)])
    assert [type(part).__name__ for part in built] == ['FusionFPN', 'BFP']
    assert [tuple(out.shape[2:]) for out in outs] == [(13, 11), (7, 6), (4, 3)]


def test_what_is_built_has_its_layers_own_start_and_no_checkpoint():
    start = [dict(type='Xavier', layer='Conv2d'), dict(type='Normal', std=0.01)]
    pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet50')
    cfg = dict(
        type='A',
        pretrained='torchvision://resnet50',
        backbone=dict(type='B', init_cfg=pretrained, norm_cfg=dict(type='SyncBN'), dcn=dict(type='DCNv2')),
        heads=(dict(type='C', init_cfg=start[0]), dict(type='D', init_cfg=start)),
    )
    assert buildable(cfg) == dict(
        type='A',
        backbone=dict(type='B', norm_cfg=dict(type='BN'), dcn=None),
        heads=(dict(type='C', init_cfg=start[0]), dict(type='D', init_cfg=start)),
    )


@pytest.mark.slow
def test_one_line_reaches_point_rend():
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    cfg = buildable(model('mmseg', 'point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py'))
    config = Config(dict(model=cfg))
    line = {'model.decode_head.0.type': 'FusionSemanticFPNHead', 'model.decode_head.0.upsample_cfg.type': 'FreqFusion'}
    config.merge_from_dict(line)
    with DefaultScope.overwrite_default_scope('mmseg'):
        net = MODELS.build(ConfigDict(config.model))
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 19, (1, 64, 96))), metainfo=dict())
        losses = net.loss(torch.rand(2, 3, 64, 96), [sample, sample])
    sum(loss for name, loss in losses.items() if 'loss' in name).backward()
    fusions = net.decode_head[0].fusions
    assert all(weight.grad is not None for weight in fusions.parameters())


def test_command_continues_its_table(tmp_path, capsys):
    arguments = ['zoo-check', '--scope', 'mmseg', '--only', 'fastscnn/*', '--upsampler', 'none', '--out', str(tmp_path)]
    assert main(arguments) == 0
    rows = list(csv.DictReader((tmp_path / 'zoo_none.csv').open()))
    assert [(row['place'], row['ours'], row['equal']) for row in rows] == [('model.backbone', 'FusionFastSCNN', 'yes')]
    rows[0]['equal'] = 'differs by 1'  # stays, as what is there is not asked again
    with (tmp_path / 'zoo_none.csv').open('w', newline='') as file:
        csv.DictWriter(file, FIELDS).writeheader()
        csv.DictWriter(file, FIELDS).writerows(rows)
    capsys.readouterr()
    assert main(arguments) == 1
    assert 'mmseg FastSCNN: differs by 1' in capsys.readouterr().out
    arguments[arguments.index('fastscnn/*')] = 'erfnet/*'  # what differs elsewhere is none of its business
    assert main(arguments) == 0
    assert 'FastSCNN' not in capsys.readouterr().out
    arguments[arguments.index('none')] = 'SAPA'  # of which nothing is known yet
    assert main(arguments) == 0 and (tmp_path / 'zoo_SAPA.csv').exists()


def test_a_pattern_without_a_config_spoils_no_table(tmp_path):
    from freqfusion_mm.apis.zoo.run import check_all, read_rows

    table = tmp_path / 'zoo.csv'
    with pytest.raises(ValueError, match=r"no config's name matches mask-rcnn\*"):
        check_all(table, ['mmseg'], 'mask-rcnn*', None)
    assert not table.exists()
    table.write_text(','.join(FIELDS) + '\n')  # all that a call leaves which is broken off at once
    check_all(table, ['mmseg'], 'fastscnn/*', None)
    assert [row['config'].partition('/')[0] for row in read_rows(table)] == ['fastscnn']


def test_the_page_has_the_table_of_its_rows():
    with (ROOT / 'projects/zoo/zoo_FreqFusion.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == FIELDS
    assert markdown(rows) in (ROOT / 'projects/zoo/README.md').read_text()
    assert {row['ours'] for row in rows} - {''} <= {twin.name for twin in TWINS.values()}
