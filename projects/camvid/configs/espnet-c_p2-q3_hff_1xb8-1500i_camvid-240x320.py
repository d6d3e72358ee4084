# CamVid: ESPNet-C from scratch, with hierarchical feature fusion, as released.
_base_ = './espnet-c_p2-q3_concat_1xb8-1500i_camvid-240x320.py'
model = dict(backbone=dict(chain='dilated'))
