# BCCD: YOLOX-Nano with SAPA-B in its neck.
_base_ = './yolox-nano_nearest_1xb8-12e_bccd-416x416.py'
model = dict(neck=dict(upsample_cfg=dict(type='SAPA')))
