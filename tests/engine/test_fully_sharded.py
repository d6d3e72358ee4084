"""Two processes that share one model's weights (FSDP) train it to the weights of one process, and go on from shards."""

import inspect
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

pytest.importorskip('mmseg', reason='one model is a segmentor of mmsegmentation')
pytest.importorskip('mmdet', reason='one model is a detector of mmdetection')

ROOT = Path(__file__).resolve().parents[2]
NORM = dict(type='GN', num_groups=4)
BACKBONE = dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_cfg=NORM, norm_eval=False)
SIZE = 64


class Samples(Dataset):
    """Four images with labels, of noise that the index decides."""

    metainfo: dict = {}

    def __init__(self, scope):
        self.scope = scope

    def __len__(self):
        return 4

    def __getitem__(self, index):
        from mmengine.structures import InstanceData, PixelData

        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, SIZE, SIZE, generator=generator)
        meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0), img_id=index)
        if self.scope == 'mmseg':
            from mmseg.structures import SegDataSample

            labels = torch.randint(0, 3, (1, SIZE, SIZE), generator=generator)
            return dict(inputs=image, data_samples=SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=meta))
        from mmdet.structures import DetDataSample

        corner = torch.rand(2, 2, generator=generator) * 30
        boxes = torch.cat([corner, corner + 20 + torch.rand(2, 2, generator=generator) * 10], dim=1)
        instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]))
        return dict(inputs=image, data_samples=DetDataSample(gt_instances=instances, metainfo=meta))


def model(scope):
    from mmengine.config import Config

    if scope == 'mmseg':
        return dict(
            type='EncoderDecoder',
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[0.0] * 3, std=[1.0] * 3, size=(SIZE, SIZE)),
            backbone=BACKBONE,
            decode_head=dict(
                type='FusionSegformerHead',
                in_channels=[8, 16, 32, 64],
                in_index=[0, 1, 2, 3],
                channels=16,
                num_classes=3,
                dropout_ratio=0.0,
                norm_cfg=NORM,
                align_corners=False,
                upsample_cfg=dict(type='FreqFusion'),
            ),
        )
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/faster-rcnn_r50_fusion-fpn.py').model
    cfg.backbone = BACKBONE
    cfg.neck.update(in_channels=[8, 16, 32, 64], out_channels=16, upsample_cfg=dict(type='FreqFusion'))
    cfg.rpn_head.update(in_channels=16, feat_channels=16)
    cfg.roi_head.bbox_roi_extractor.out_channels = 16
    cfg.roi_head.bbox_head.update(in_channels=16, fc_out_channels=16, num_classes=2)
    for sampler in (cfg.train_cfg.rpn.sampler, cfg.train_cfg.rcnn.sampler):
        sampler.num = 100_000  # all of them, for which are drawn is chance
    return cfg


def train(scope, work_dir, iterations, resume, sharded):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    import freqfusion_mm.registration  # noqa: F401
    from freqfusion_mm import compat
    from freqfusion_mm.apis.runner import build_runner

    compat.read_checkpoints_as_data()  # as the commands do
    init_default_scope(scope)
    cfg = Config(
        dict(
            default_scope=scope,
            model=model(scope),
            work_dir=str(work_dir),
            train_dataloader=dict(
                batch_size=2 if sharded else 4,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='Samples', scope=scope),
                collate_fn=dict(type='pseudo_collate'),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
            custom_hooks=[dict(type='UpsamplerMonitor', interval=2)],  # looks into layers whose weights are elsewhere
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2)),
            env_cfg=dict(dist_cfg=dict(backend='gloo')),
            resume=resume,
            randomness=dict(seed=0),
            log_level='WARNING',
            experiment_name=f'{scope}_{iterations}_{sharded}',
        )
    )
    cfg.runner_type = 'FlexibleRunner'
    if sharded:
        cfg.merge_from_dict(Config.fromfile(ROOT / 'configs/_base_/fully_sharded.py').to_dict())
        cfg.strategy.model_wrapper.device_id = 'cpu'  # mmengine says the number of a GPU
        cfg.launcher = 'pytorch'
    runner = build_runner(cfg)
    runner.train()
    return runner


@pytest.mark.slow
@pytest.mark.skipif(
    'priority' not in str(inspect.signature(torch.cpu.Stream)), reason='this torch shards on accelerators alone'
)
@pytest.mark.parametrize('scope', ['mmseg', 'mmdet'])
def test_two_processes_train_as_one_and_go_on_from_shards(scope, tmp_path, assert_same):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    environment.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE='2')
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, scope, str(tmp_path)],
            env=dict(environment, RANK=str(rank), LOCAL_RANK=str(rank)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    ends = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends[0][-3000:]
    assert sorted(path.name for path in (tmp_path / 'resumed/iter_2.pth').iterdir()) == ['rank0.pth', 'rank1.pth']
    found = {}
    for name in ('whole', 'resumed'):
        pieces = [torch.load(tmp_path / f'{name}.{rank}.pt', weights_only=True) for rank in range(2)]
        found[name] = {key: torch.cat([piece[key].flatten() for piece in pieces]) for key in pieces[0]}
        held = [sum(piece.numel() for piece in each.values()) for each in pieces]
        assert max(held) < 0.6 * sum(held)
    for key, value in found['whole'].items():
        assert torch.equal(found['resumed'][key], value), key
    if scope == 'mmdet':
        return  # its losses are divided by the boxes of a process, not of the batch
    _register()
    alone = train(scope, tmp_path / 'alone', 4, False, False).model
    expected = {key: p.detach().flatten() for key, p in alone.named_parameters()}
    assert found['whole'].keys() == expected.keys()
    for key, value in expected.items():
        assert_same(found['whole'][key], value, key)


def _register():
    from mmengine.registry import DATASETS

    DATASETS.register_module(module=Samples, force=True)


if __name__ == '__main__':
    scope, folder = sys.argv[1], Path(sys.argv[2])
    _register()
    import torch.distributed as dist
    from torch.distributed.fsdp import FullyShardedDataParallel

    dist.init_process_group('gloo')
    for name, stops in (('whole', [4]), ('resumed', [2, 4])):
        for iterations in stops:
            runner = train(scope, folder / name, iterations, iterations != stops[0], True)
        assert isinstance(runner.model, FullyShardedDataParallel)
        pieces = {key.replace('_fsdp_wrapped_module.', ''): p.detach() for key, p in runner.model.named_parameters()}
        torch.save(pieces, folder / f'{name}.{dist.get_rank()}.pt')
    dist.destroy_process_group()
