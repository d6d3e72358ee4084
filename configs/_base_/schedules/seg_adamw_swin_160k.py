# As seg_adamw_160k.py, for Swin in mmsegmentation's recipe: one rate, no weight decay in norms and position tables.
_base_ = './seg_adamw_160k.py'
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
