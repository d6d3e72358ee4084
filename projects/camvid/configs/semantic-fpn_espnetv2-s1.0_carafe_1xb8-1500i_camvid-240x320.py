# CamVid: Semantic FPN with CARAFE in its pyramid.
_base_ = './semantic-fpn_espnetv2-s1.0_nearest_1xb8-1500i_camvid-240x320.py'
model = dict(neck=dict(upsample_cfg=dict(type='carafe')))
