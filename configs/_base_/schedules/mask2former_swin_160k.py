# As mask2former_160k.py, for Swin: no weight decay in the backbone's norms and position tables, on top of its lr x0.1.
_base_ = './mask2former_160k.py'
no_decay = dict(lr_mult=0.1, decay_mult=0.0)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.patch_embed.norm': no_decay,
            'backbone.norm': no_decay,
            '.norm1.weight': no_decay,
            '.norm1.bias': no_decay,
            '.norm2.weight': no_decay,
            '.norm2.bias': no_decay,
            '.downsample.norm': no_decay,
            'absolute_pos_embed': no_decay,
            'relative_position_bias_table': no_decay,
        }
    )
)
