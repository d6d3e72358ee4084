"""What the frameworks lack, one small file each: what is missing, in which versions, what changes, when it can go.

`apply()` closes every gap; calling it again changes nothing. `freqfusion_mm.registration` calls it, so that naming that
module in a config's `custom_imports` is enough, in the frameworks' own tools as well. What resolves `_base_` comes too
late there (mmengine reads the bases before it obeys `custom_imports`): `freqfusion-mm doctor` says what to do.

| file | for |
| --- | --- |
| `config_prefix` | `_base_ = ['freqfusion_mm::...']` |
| `mmseg_prefix` | `_base_ = ['mmseg::...']` on the onedl stack |
| `flop_table` | FLOPs of our operators in `get_model_complexity_info` |
| `carafe_on_cpu`, with its class in `carafe_on_any_device` | mmcv's CARAFE without a GPU |
| `maskformer_memory` | subclasses of `PixelDecoder` in MaskFormer's head |
| `stock_fpn_hint` | `upsample_cfg=dict(type=...)` in a stock FPN, refused in words |
| `dropped_paths` | `type='FusionFPN'` in the place of a PAFPN, refused with the twin's name |
| `coco_classes` | class names of mmdet's COCO data sets in the order of their labels |
| `empty_dataset` | an empty data set, refused in words |
| `label_maps` | label maps of 16 bits and one pixel wide in mmseg; colours, refused by name |
| `picture_limits` | pictures whose boxes lie beyond the image |
| `sharded_checkpoints` | resuming FSDP runs |
| `checkpoints_as_data` | reading checkpoints without running code; our tools alone |
| `mmpretrain_imports` | mmpretrain without torchvision; by name in the configs that need it |
"""


def apply() -> None:
    """Closes every gap that every user of the package shall have closed; idempotent."""
    from . import (
        carafe_on_cpu,
        coco_classes,
        config_prefix,
        dropped_paths,
        empty_dataset,
        flop_table,
        label_maps,
        maskformer_memory,
        mmseg_prefix,
        picture_limits,
        sharded_checkpoints,
        stock_fpn_hint,
    )

    patches = (
        config_prefix,
        mmseg_prefix,
        flop_table,
        carafe_on_cpu,
        maskformer_memory,
        stock_fpn_hint,
        dropped_paths,
        coco_classes,
        empty_dataset,
        label_maps,
        picture_limits,
        sharded_checkpoints,
    )
    for patch in patches:
        patch.apply()


def read_checkpoints_as_data() -> None:
    """Makes mmengine read checkpoints as data only in this process, which is our tools' own rule; idempotent."""
    from . import checkpoints_as_data

    checkpoints_as_data.apply()
