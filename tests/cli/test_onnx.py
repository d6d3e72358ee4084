"""Exported to ONNX at one size and run at others, everything gives torch's numbers."""

import pytest
import torch

from freqfusion_mm.layers import (
    EESP,
    ESP,
    UPSAMPLERS,
    DepthwisePyramidPool,
    EESPDown,
    EfficientPyramidPool,
    GatedSkip,
    GuidedFilter,
    ShallowImageGuide,
    build_fusion,
    build_pool,
    build_unpool,
    split,
)
from freqfusion_mm.models.necks import FusionFPN

export_onnx = pytest.importorskip('freqfusion_mm.apis.export', reason='it builds models of mmengine')

onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
pytest.importorskip('onnx', reason='onnx is not installed')

CFGS = {name: dict(type=name) for name in UPSAMPLERS}
CFGS['carafe'].update(compressed_channels=8)
CFGS['FADE'].update(compressed_channels=8, gated=False)
CFGS['SAPA'].update(embedding_channels=8)
CFGS['FreqFusion'].update(compressed_channels=8)
CFGS['ReSFU'].update(compressed_channels=8, mid_channels=16, norm_groups=4)
TRACED = (5, 6), (11, 12)
SIZES = [((13, 14), (27, 27)), ((12, 17), (23, 33)), ((6, 8), (12, 16))]


def maps(size, fine, batch=1):
    return torch.randn(batch, 8, *size), torch.randn(batch, 12, *fine)


@pytest.fixture
def check(tmp_path):
    """check(model, example, others, opset, dynamo): exports for the example and compares at the other sizes."""

    def run(model, example, others, opset=17, dynamo=False):
        model, file = model.eval(), str(tmp_path / 'model.onnx')
        with torch.no_grad():
            results = [model(*inputs) for inputs in (example, *others)]
        results = [result if isinstance(result, (tuple, list)) else (result,) for result in results]
        inputs, outputs = [f'in{i}' for i in range(len(example))], [f'out{i}' for i in range(len(results[0]))]
        export_onnx.export(model, example, file, opset, input_names=inputs, output_names=outputs, dynamo=dynamo)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, options, providers=['CPUExecutionProvider'])
        for feats, expected in zip((example, *others), results):
            taken = [value.name for value in session.get_inputs()]  # an input that nothing reads is left out
            feed = {name: feat.numpy() for name, feat in zip(inputs, feats) if name in taken}
            for actual, wanted in zip(session.run(None, feed), expected):
                torch.testing.assert_close(torch.from_numpy(actual), wanted, rtol=1e-4, atol=1e-4)

    return run


@pytest.mark.parametrize('name', CFGS)
def test_fusions(name, check):
    check(build_fusion(CFGS[name], 8, 12), maps(*TRACED), [maps(*size, batch=2) for size in SIZES], opset=16)


def sometimes(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    'name, opset',  # 16: above
    [
        ('FreqFusion', 17),
        sometimes('FreqFusion', 18),
        sometimes('FreqFusion', 19),
        ('FreqFusion', 20),
        ('ReSFU', 17),
        sometimes('ReSFU', 18),
        sometimes('ReSFU', 19),
        ('ReSFU', 20),
    ],
)
def test_opsets(name, opset, check):
    check(build_fusion(CFGS[name], 8, 12), maps(*TRACED), [maps(*SIZES[0], batch=2)], opset)


@pytest.mark.parametrize('name', ['SAPA', sometimes('FreqFusion')])
def test_high_ratios_pool_the_guide(name, check):
    check(build_fusion(CFGS[name], 8, 12), maps((3, 4), (13, 15)), [maps((4, 5), (17, 19))])


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, opset', [pytest.param('FreqFusion', 18, marks=pytest.mark.exhaustive), ('carafe', 19), ('ReSFU', 20)]
)
def test_the_newer_exporter(name, opset, check):
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    check(build_fusion(CFGS[name], 8, 12), maps(*TRACED), [maps(*size, batch=2) for size in SIZES], opset, dynamo=True)


class Pooled(torch.nn.Module):
    def __init__(self, pool, unpool):
        super().__init__()
        self.pool = build_pool(dict(type=pool), 4)
        self.unpool = build_unpool(dict(unpool), 4, 4, self.pool)

    def forward(self, feat):
        pooled, memory = split(self.pool, feat)
        return pooled, self.unpool(pooled, memory)


@pytest.mark.parametrize(
    'pool, unpool',
    [
        ('max', dict(type='max_unpool')),
        ('average', dict(type='interpolate')),
        ('conv', dict(type='interpolate', mode='nearest')),
        ('blur', dict(type='interpolate', mode='bicubic')),
        ('wavelet', dict(type='lift')),
        ('lift', dict(type='lift', tied=True)),
        ('carafe', dict(type='interpolate')),
    ],
)
def test_poolings(pool, unpool, check):
    check(
        Pooled(pool, unpool),
        (torch.randn(1, 4, 8, 7),),
        [(torch.randn(2, 4, *size),) for size in ((9, 11), (12, 6), (7, 8))],
    )


LAYERS = {
    'ESP': (lambda: ESP(16, 32), [(16, (9, 8))], [(16, (13, 21))]),
    'EESP': (lambda: EESP(16, 32), [(16, (9, 8))], [(16, (13, 21))]),
    'EESPDown': (lambda: EESPDown(16, 32), [(16, (9, 8)), (3, (36, 31))], [(16, (13, 21)), (3, (49, 84))]),
    'EfficientPyramidPool': (lambda: EfficientPyramidPool(16, 8, width=4), [(16, (9, 8))], [(16, (70, 21))]),
    'DepthwisePyramidPool': (lambda: DepthwisePyramidPool(8, 4), [(8, (9, 8))], [(8, (13, 21))]),
    'GatedSkip': (lambda: GatedSkip(16, 8), [(16, (9, 8))], [(16, (13, 21))]),
    'ShallowImageGuide': (ShallowImageGuide, [(3, (9, 8))], [(3, (13, 21))]),
    'GuidedFilter': (GuidedFilter, [(4, (9, 8))] * 2, [(4, (13, 21))] * 2),
}


@pytest.mark.parametrize('name', LAYERS)
def test_layers(name, check):
    make, example, other = LAYERS[name]
    check(
        make(),
        tuple(torch.randn(1, channels, *size) for channels, size in example),
        [tuple(torch.randn(2, channels, *size) for channels, size in other)],
    )


class Neck(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.neck = FusionFPN([4, 6, 8], 8, num_outs=4, upsample_cfg=dict(CFGS['FreqFusion']))

    def forward(self, *feats):
        return self.neck(feats)


@pytest.mark.slow
def test_neck(check):
    def pyramid(*sizes):
        return tuple(torch.randn(1, channels, *size) for channels, size in zip((4, 6, 8), sizes))

    check(Neck(), pyramid((18, 20), (9, 10), (5, 5)), [pyramid((27, 22), (14, 11), (7, 6))])


@pytest.mark.slow
@pytest.mark.parametrize('opset', [16, 17])
def test_segmentor(opset, check):
    from freqfusion_mm.apis import init_model

    model = export_onnx.Exportable(init_model('segformer_r18-slim_freqfusion_1xb8-1500i_shapes-128x128', device='cpu'))
    check(model, (torch.randn(1, 3, 64, 96),), [(torch.randn(2, 3, *size),) for size in ((97, 65), (128, 64))], opset)


def retinanet(cfg):
    """The Faster R-CNN of a config as a RetinaNet of one class, for images of four channels."""
    cfg.pop('rpn_head'), cfg.pop('roi_head')
    cfg.update(type='RetinaNet', train_cfg=None, test_cfg=None)
    cfg.backbone.in_channels = 4
    anchors = dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3, ratios=[1.0])
    cfg.bbox_head = dict(
        type='RetinaHead',
        num_classes=1,
        in_channels=16,
        feat_channels=16,
        stacked_convs=1,
        anchor_generator=dict(anchors, strides=[4, 8, 16, 32, 64]),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, change, kinds',
    [
        ('yolox-nano', None, ['maps0_0', 'maps0_1', 'maps0_2', 'maps1_0']),
        ('faster-rcnn_r50_fusion-fpn', retinanet, ['maps0_0', 'maps0_4', 'maps1_0']),
        ('faster-rcnn_r50_fusion-fpn', None, ['maps0_0', 'maps1_4', 'neck_0', 'neck_4']),
    ],
    ids=['YOLOX', 'RetinaNet', 'Faster R-CNN'],
)
def test_detectors_up_to_their_maps(name, change, kinds, check):
    pytest.importorskip('mmdet')
    from mmengine.config import Config
    from mmengine.registry import MODELS, DefaultScope

    import freqfusion_mm.registration  # noqa: F401
    from freqfusion_mm import config_path
    from freqfusion_mm.apis.channels import input_channels
    from freqfusion_mm.apis.export import exportable

    cfg = Config.fromfile(config_path(f'_base_/models/{name}.py')).model
    cfg.neck.upsample_cfg = dict(CFGS['FreqFusion'])
    if name != 'yolox-nano':
        cfg.backbone = dict(type='ResNet', depth=18, base_channels=8, stem_channels=8)
        cfg.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
        cfg.rpn_head.update(in_channels=16, feat_channels=16)
        cfg.roi_head.bbox_roi_extractor.out_channels = 16
        cfg.roi_head.bbox_head.update(in_channels=16, fc_out_channels=16)
    if change:
        change(cfg)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = exportable(MODELS.build(cfg).eval())
    channels = input_channels(model.model)
    assert channels == (4 if change else 3) and set(kinds) <= set(model.output_names)
    check(model, (torch.randn(1, channels, 64, 96),), [(torch.randn(2, channels, 128, 64),)])
    with pytest.raises(ValueError, match='leave --labels out'):
        exportable(model.model, labels=True)


@pytest.mark.slow
def test_maps_of_masks_are_whole_or_refused():
    pytest.importorskip('mmdet')
    from mmengine.config import Config
    from mmengine.registry import MODELS, DefaultScope

    import freqfusion_mm.registration  # noqa: F401
    from freqfusion_mm import config_path
    from freqfusion_mm.apis.export import exportable

    def build(name, **options):
        cfg = Config.fromfile(config_path(f'mmdet::{name}.py')).model
        cfg.backbone.pop('init_cfg', None)
        cfg.backbone.update(options)
        with DefaultScope.overwrite_default_scope('mmdet'):
            return MODELS.build(cfg).eval()

    net = exportable(build('rtmdet/rtmdet-ins_tiny_8xb32-300e_coco'))
    with torch.no_grad():
        outs = dict(zip(net.output_names, net(torch.randn(2, 3, 64, 64)), strict=True))
    assert outs['maps3_0'].shape == (2, 8, 8, 8)  # the masks' prototypes, one map of all levels
    with pytest.raises(ValueError, match='YOLACT has a mask_head, which would be left out'):
        exportable(build('yolact/yolact_r50_1xb8-55e_coco', depth=18))


def test_what_exporting_needs_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(export_onnx, 'find_spec', lambda name: None)
    for dynamo, named in ((False, 'onnx'), (True, 'onnx onnxscript')):
        with pytest.raises(ModuleNotFoundError, match=f'pip install {named}$'):
            export_onnx.export(torch.nn.Identity(), (torch.zeros(1, 1, 2, 2),), 'nowhere.onnx', dynamo=dynamo)


def test_what_cannot_be_exported_leaves_the_old_file(tmp_path):
    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)  # no operator of ONNX

    old = tmp_path / 'a.onnx'
    old.write_text('old')
    with pytest.raises(torch.onnx.errors.OnnxExporterError, match='bessel'):
        export_onnx.export(Odd(), (torch.zeros(1, 1, 2, 2),), old)
    assert old.read_text() == 'old' and [path.name for path in tmp_path.iterdir()] == ['a.onnx']


@pytest.mark.parametrize(
    'opset, dynamo, message', [(11, False, '16 to 20, got 11'), (17, True, '18 to 20 with dynamo, got 17')]
)
def test_opset_out_of_range(opset, dynamo, message):
    with pytest.raises(ValueError, match=f'opset must be one of {message}'):
        export_onnx.export(torch.nn.Identity(), (torch.zeros(1, 1, 2, 2),), 'nowhere.onnx', opset, dynamo=dynamo)
