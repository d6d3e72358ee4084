# EdgeNets' recipe at low resolution: SGD, base rate 0.009 (decoder x10), saw-tooth to epoch 61, then linear to zero.
_base_ = './espnet_300e.py'
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.009, momentum=0.9, weight_decay=4e-5),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0))),
)
param_scheduler = [dict(type='SawtoothLR', linear_from=61, end=100, by_epoch=True)]
train_cfg = dict(max_epochs=100)
