# ESPNetv2 s=2.0, EdgeNets zoo, Cityscapes 1024x512: mIoU 66.4 (val), 66.2 (test); second stage.
# It starts from the first stage (load_from=FILE of espnetv2_s2.0_hff_1xb25-100e_cityscapes-256x512) with frozen BatchNorm statistics;
# the recipe also freezes those of the decoder.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/cityscapes_edgenets_512x1024.py',
    '../_base_/schedules/edgenets_100e.py',
    '../_base_/default_runtime_epochs.py',
]
model = dict(
    backbone=dict(norm_eval=True),
    decode_head=dict(
        loss_decode=dict(
            class_weight=[
                2.8149201869965,
                6.9850029945374,
                3.7890393733978,
                9.9428062438965,
                9.7702074050903,
                9.5110931396484,
                10.311357498169,
                10.026463508606,
                4.6323022842407,
                9.5608062744141,
                7.8698215484619,
                9.5168733596802,
                10.373730659485,
                6.6616044044495,
                10.260489463806,
                10.287888526917,
                10.289801597595,
                10.405355453491,
                10.138095855713,
                0.0,
            ]
        )
    ),
)
optim_wrapper = dict(optimizer=dict(lr=0.005))
