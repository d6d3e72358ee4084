# UPerNet Swin-T on ADE20K, mmsegmentation's recipe: the baseline of ReSFU's row (arXiv 2407.02283).
_base_ = [
    '../_base_/models/upernet_swin-t.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/seg_adamw_160k.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            _delete_=True,
            absolute_pos_embed=dict(decay_mult=0.0),
            relative_position_bias_table=dict(decay_mult=0.0),
            norm=dict(decay_mult=0.0),
        )
    )
)
train_dataloader = dict(batch_size=2, num_workers=2)
