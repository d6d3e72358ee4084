# CamVid: one head, stride 16 straight to stride 2, bilinear; the baseline.
_base_ = ['../../../configs/_base_/models/fcn-x8_espnetv2-s1.0.py', './camvid_study.py']
model = dict(data_preprocessor=_base_.data_preprocessor, backbone=dict(init_cfg=_base_.pretrained))
