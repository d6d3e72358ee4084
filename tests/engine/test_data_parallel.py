"""Two processes with half a batch each train to the weights of one process with the whole batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmseg', reason='the model is a segmentor of mmsegmentation')

CONFIGS = {
    'FreqFusion': dict(upsample_cfg=dict(type='FreqFusion')),
    'FreqFusion, recomputed': dict(upsample_cfg=dict(type='FreqFusion', with_cp=True)),
    'ReSFU': dict(upsample_cfg=dict(type='ReSFU', groups=2)),
}


def segmentor(head: dict) -> torch.nn.Module:
    """GroupNorm, so that a sample's outputs do not depend on the rest of its batch."""
    from mmengine.registry import MODELS, DefaultScope
    from mmseg.utils import register_all_modules

    import freqfusion_mm.registration  # noqa: F401

    register_all_modules()
    DefaultScope.get_instance('test_data_parallel', scope_name='mmseg')
    norm_cfg = dict(type='GN', num_groups=4)
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='EncoderDecoder',
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[0.0] * 3, std=[1.0] * 3, size=(48, 40)),
            backbone=dict(
                type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_cfg=norm_cfg, norm_eval=False
            ),
            decode_head=dict(
                type='FusionSegformerHead',
                in_channels=[8, 16, 32, 64],
                in_index=[0, 1, 2, 3],
                channels=16,
                num_classes=3,
                dropout_ratio=0.0,
                norm_cfg=norm_cfg,
                align_corners=False,
                **head,
            ),
        )
    )
    model.init_weights()
    return model.double()


def train(head: dict, rank: int, world: int, accumulate: int = 1) -> dict[str, torch.Tensor]:
    """Three optimizer steps on this process's share of one batch of four, through mmengine's own train step."""
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    model = segmentor(head)
    if world > 1:
        model = MMDistributedDataParallel(module=model)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), accumulative_counts=accumulate)
    optimizer.initialize_count_status(model, 0, 3 * accumulate)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        images = torch.rand(4, 3, 48, 40, generator=generator)
        labels = torch.randint(0, 3, (4, 1, 48, 40), generator=generator)
        mine = torch.arange(rank, 4, world)
        for share in mine.chunk(accumulate):
            samples = [
                SegDataSample(gt_sem_seg=PixelData(data=labels[i]), metainfo=dict(img_shape=(48, 40))) for i in share
            ]
            model.train_step(dict(inputs=[images[i] for i in share], data_samples=samples), optimizer)
    return (model.module if world > 1 else model).state_dict()


@pytest.fixture(scope='module')
def alone():
    return {name: train(head, rank=0, world=1) for name, head in CONFIGS.items()}


@pytest.mark.slow
def test_two_processes_train_as_one(alone, tmp_path, assert_same):
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path), str(rank)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )
        for rank in range(2)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    for name, expected in alone.items():
        first, second = (torch.load(tmp_path / f'{rank}.pt', weights_only=True)[name] for rank in range(2))
        assert first.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(first[key], second[key]), f'{name}: {key} differs between the processes'
            assert_same(first[key], value, f'{name}: {key}')


def test_accumulated_gradients_train_as_one_batch(alone, assert_same):
    accumulated = train(CONFIGS['FreqFusion'], rank=0, world=1, accumulate=2)
    for key, value in alone['FreqFusion'].items():
        assert_same(accumulated[key], value, key)


def test_recomputed_activations_change_nothing(alone, assert_same):
    for key, value in alone['FreqFusion'].items():
        assert_same(alone['FreqFusion, recomputed'][key], value, key)


@pytest.mark.parametrize('option', ['', 'initial_fusion', 'semi_conv'])
@pytest.mark.parametrize('head', ['FusionSemanticFPNHead', 'FusionSegformerHead'])
def test_heads_that_drop_the_sharpened_map_train_on_photographs(head, option, shared, process_group):
    """Every weight gets a gradient, or DistributedDataParallel stops at its second step."""
    pytest.importorskip('mmseg')
    import numpy as np
    from mmengine.registry import MODELS
    from PIL import Image

    import freqfusion_mm.registration  # noqa: F401

    photos = []
    for file in sorted(shared('data/coco_subset/images').rglob('*.jpg'))[:2]:
        with Image.open(file) as photo:
            photos.append(np.asarray(photo.convert('RGB').resize((96, 80)), np.float32) / 255)
    photos = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)
    upsample_cfg = dict(type='FreqFusion', compressed_channels=4, **({option: False} if option else {}))
    more = dict(feature_strides=[4, 8, 16, 32]) if head == 'FusionSemanticFPNHead' else dict(stagewise=True)
    settings = dict(in_channels=[12] * 4, in_index=[0, 1, 2, 3], channels=8, num_classes=3, norm_cfg=dict(type='BN'))
    module = MODELS.build(dict(type=head, upsample_cfg=upsample_cfg, align_corners=False, **settings, **more)).train()
    features = [torch.nn.functional.avg_pool2d(photos, scale).repeat(1, 4, 1, 1) for scale in (2, 4, 8, 16)]
    parallel = torch.nn.parallel.DistributedDataParallel(module)
    for _ in range(3):
        parallel.zero_grad()
        parallel(features).square().sum().backward()
    assert not [name for name, weight in module.named_parameters() if weight.grad is None]


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).parents[2]))
    folder, rank = Path(sys.argv[1]), int(sys.argv[2])
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    torch.save({name: train(head, rank, world=2) for name, head in CONFIGS.items()}, folder / f'{rank}.pt')
    torch.distributed.destroy_process_group()
