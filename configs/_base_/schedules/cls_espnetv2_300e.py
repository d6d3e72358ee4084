# ESPNetv2's recipe for ImageNet: 300 epochs with 512 images, SGD, saw-tooth rate that halves eight times.
_base_ = '../default_runtime_cls.py'
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-5, nesterov=True)
)
param_scheduler = [dict(type='SawtoothLR', milestones=[51, 101, 131, 161, 191, 221, 251, 281], end=300, by_epoch=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=300, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=512)
