# FreqFusion (TPAMI 2024), Table XI, row FreqFusion R101 as its config was released: the extra level
# is fused too (four fusions); the released weights fit this one.
_base_ = ['./panoptic-fpn_r101_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(add_extra_convs='fused', upsample_cfg=_base_.upsample_cfg))
