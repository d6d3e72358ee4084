# EdgeNets' SSDs: SGD, base rate 0.01, saw-tooth, a tenth from epochs 51, 161 and 201.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type='SawtoothLR', milestones=[51, 161, 201], gamma=0.1, end=240, by_epoch=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=240, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
