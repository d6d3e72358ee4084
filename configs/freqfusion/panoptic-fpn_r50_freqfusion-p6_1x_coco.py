# FreqFusion (TPAMI 2024), Table XI, row FreqFusion R50 as its config was released: the extra level
# is fused too (four fusions, +5.7 M over the table's baseline); the released weights fit this one.
_base_ = ['./panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
fusion = dict(_base_.upsample_cfg, resample_norm=False)
model = dict(neck=dict(add_extra_convs='fused', upsample_cfg=fusion))
