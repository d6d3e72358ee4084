# MaskFormer's schedule with Swin: AdamW 6e-5 for all, no decay of norms, tables and queries, gradients clipped.
_base_ = './seg_adamw_160k.py'
no_decay = dict(decay_mult=0.0)
optim_wrapper = dict(
    clip_grad=dict(max_norm=0.01, norm_type=2),
    paramwise_cfg=dict(
        custom_keys=dict(
            _delete_=True,
            **{
                'backbone.patch_embed.norm': no_decay,
                'backbone.norm': no_decay,
                '.norm1.weight': no_decay,
                '.norm1.bias': no_decay,
                '.norm2.weight': no_decay,
                '.norm2.bias': no_decay,
                '.downsample.norm': no_decay,
                'relative_position_bias_table': no_decay,
                'query_embed': no_decay,
            },
        )
    ),
)
