# Learned upsamplers train at a tenth of the rate of the rest of the model: what to try where UpsamplerMonitor warns.
# The longest key that a parameter's name holds counts: beside a schedule's `decode_head` the key has to be
# `decode_head.fusions`.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(fusions=dict(lr_mult=0.1))))
