"""The regularisers of LiftPool reach the losses and logs of every framework, through the real runner."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmengine', reason='the regularisers are a hook of mmengine')

from mmengine.config import Config  # noqa: E402
from mmengine.model import BaseModel, MMDistributedDataParallel  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.engine.hooks.lift_regularization import LiftRegularization  # noqa: E402
from freqfusion_mm.layers import LiftDownPool  # noqa: E402
from freqfusion_mm.models.backbones import PooledResNet  # noqa: E402

NAMES = {'loss_lift_update', 'loss_lift_predict'}
LIFT = dict(type='lift')
BACKBONE = dict(type='PooledResNet', depth=18, pool_cfg=LIFT, base_channels=8)


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f'{package} is not installed')


class Toy(BaseModel):
    """A model with one loss of its own."""

    def __init__(self, pool_cfg=LIFT):
        super().__init__()
        self.backbone = PooledResNet(18, pool_cfg, base_channels=4)

    def forward(self, inputs, data_samples=None, mode='loss'):
        return dict(loss_own=self.backbone(inputs)[-1].square().mean())


class Rows(torch.utils.data.Dataset):
    """Images of noise, each with a framework's own sample."""

    def __init__(self, sample=None, count=4):
        self.sample, self.count = sample, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(index))
        row = dict(inputs=image)
        return row if self.sample is None else dict(row, data_samples=copy.deepcopy(self.sample))


def train(model, tmp_path, sample=None, weights=(0.01, 0.1), iterations=2, accumulate=1, scope=None):
    """Train a few iterations; the runner, and the first value of each logged loss."""
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        default_scope=scope or 'mmengine',
        log_level='ERROR',
        experiment_name=f'lift_{tmp_path.name}_{id(model)}',
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=Rows(sample),
            sampler=dict(type='InfiniteSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate' if sample else 'default_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01), accumulative_counts=accumulate),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=None),
        custom_hooks=[dict(type='LiftRegularization', weight_update=weights[0], weight_predict=weights[1])],
    )
    runner.train()
    scalars = runner.message_hub.log_scalars
    return runner, {name.removeprefix('train/'): float(scalars[name].data[0][0]) for name in scalars if 'loss' in name}


def check(log, others):
    """Every loss is logged, and their sum is what was minimised."""
    assert NAMES <= set(log) and set(others) <= set(log), log
    assert all(log[name] > 0 for name in NAMES)
    parts = sum(value for name, value in log.items() if name != 'loss')
    assert log['loss'] == pytest.approx(parts, rel=1e-5)


def penalties(model, image):
    """The two sums over the layers of one forward pass in training mode."""
    pools = [module for module in model.modules() if isinstance(module, LiftDownPool)]
    for pool in pools:
        pool.keep_penalties = True
    model.train()(image)
    return [sum(pool.penalties[i] for pool in pools).item() for i in range(2)]


def test_the_losses_are_the_weighted_sums_over_the_layers(tmp_path):
    model = Toy()
    wanted = penalties(copy.deepcopy(model), torch.stack([Rows()[i]['inputs'] for i in range(2)]))
    _, log = train(model, tmp_path, weights=(0.5, 2.0))
    check(log, {'loss_own'})
    assert log['loss_lift_update'] == pytest.approx(0.5 * wanted[0], rel=1e-4)
    assert log['loss_lift_predict'] == pytest.approx(2.0 * wanted[1], rel=1e-4)


def test_a_weight_of_zero_leaves_its_loss_out(tmp_path):
    _, log = train(Toy(), tmp_path, weights=(0.0, 0.1))
    assert set(log) == {'loss', 'loss_own', 'loss_lift_predict'}


def test_training_leaves_the_model_as_it_was(tmp_path):
    model = Toy()
    train(model, tmp_path)
    pools = list(model.backbone.pools.values())
    assert not any(pool.keep_penalties for pool in pools) and all(pool.penalties is None for pool in pools)
    assert 'parse_losses' not in vars(model)
    copy.deepcopy(model)


def test_through_gradient_accumulation(tmp_path):
    torch.manual_seed(0)
    model = Toy()
    start = {name: value.clone() for name, value in model.named_parameters()}
    _, log = train(model, tmp_path, iterations=4, accumulate=2)
    check(log, {'loss_own'})
    assert all(not torch.equal(start[name], value) for name, value in model.named_parameters() if 'lifting' in name)


def test_through_the_wrapper_of_distributed_training(tmp_path, process_group):
    """One process, but the real wrapper, which refuses a parameter without gradient in its second iteration."""
    runner, log = train(MMDistributedDataParallel(Toy()), tmp_path, iterations=3)
    check(log, {'loss_own'})
    assert 'parse_losses' not in vars(runner.model.module)


def test_says_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match='weights must not be negative'):
        LiftRegularization(weight_update=-1)
    with pytest.raises(ValueError, match='found no trainable LiftDownPool'):
        train(Toy(dict(type='blur')), tmp_path)
    with pytest.raises(ValueError, match='found no trainable LiftDownPool'):
        train(Toy(dict(type='wavelet')), tmp_path)


def build(cfg, scope):
    DefaultScope.get_instance('test_lift_regularization', scope_name=scope)
    return MODELS.build(cfg)


@needs('mmseg')
@pytest.mark.parametrize(
    'backbone',
    [BACKBONE, dict(type='SegNet', depth=11, pool_cfg=LIFT, unpool_cfg=dict(type='lift', tied=True), base_channels=8)],
)
def test_mmseg(tmp_path, backbone):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    model = build(
        dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
            backbone=backbone,
            decode_head=dict(
                type='FCNHead',
                in_channels=8,
                in_index=0,
                channels=8,
                num_convs=0,
                concat_input=False,
                num_classes=4,
                align_corners=False,
            ),
        ),
        'mmseg',
    )
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=torch.randint(0, 4, (1, 64, 64))), metainfo=dict(img_shape=(64, 64))
    )
    check(train(model, tmp_path, sample, scope='mmseg')[1], {'decode.loss_ce'})


@needs('mmdet')
def test_mmdet(tmp_path):
    from mmdet.structures import DetDataSample
    from mmdet.utils import register_all_modules
    from mmengine.structures import InstanceData

    register_all_modules(init_default_scope=False)
    file = Path(__file__).resolve().parents[2] / 'configs/_base_/models/faster-rcnn_r18_shapes.py'
    cfg = Config.fromfile(file).model
    cfg.backbone = {**BACKBONE, 'base_channels': 32}
    sample = DetDataSample(metainfo=dict(img_shape=(64, 64), batch_input_shape=(64, 64), pad_shape=(64, 64)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[4.0, 8.0, 40.0, 50.0]]), labels=torch.tensor([1]))
    log = train(build(cfg, 'mmdet'), tmp_path, sample, scope='mmdet')[1]
    check(log, {'loss_rpn_bbox', 'loss_cls'})


@needs('mmpretrain')
@pytest.mark.parametrize(
    'backbone, width',
    [({**BACKBONE, 'out_indices': (3,)}, 64), (dict(type='PooledVGG', depth=11, pool_cfg=LIFT, base_channels=8), 64)],
)
def test_mmpretrain(tmp_path, backbone, width):
    from mmpretrain.structures import DataSample

    import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401

    model = build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(type='ClsDataPreprocessor', num_classes=3),
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=width),
        ),
        'mmpretrain',
    )
    log = train(model, tmp_path, DataSample().set_gt_label(1), scope='mmpretrain')[1]
    # mmpretrain's own loss is named 'loss', and takes the place of the sum in the log
    assert set(log) == {'loss', *NAMES} and all(log[name] > 0 for name in NAMES)


def test_the_weights_are_those_of_the_documentation():
    assert LiftRegularization().weights == dict(loss_lift_update=0.01, loss_lift_predict=0.1)
