# ESPNetv2's recipe for ImageNet: 300 epochs with 512 images, SGD, saw-tooth rate that halves eight times.
_base_ = './cls_sgd_100e.py'
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-5, nesterov=True))
param_scheduler = [dict(type='SawtoothLR', milestones=[51, 101, 131, 161, 191, 221, 251, 281], end=300, by_epoch=True)]
train_cfg = dict(max_epochs=300)
auto_scale_lr = dict(base_batch_size=512)
