# FreqFusion (TPAMI 2024), Table VI, row SegNeXt-T + FreqFusion, COCO-Stuff 164k: +2.0 mIoU.
_base_ = [
    './segnext_mscan-t_bilinear_1xb16-80k_coco-stuff164k-512x512.py',
    '../_base_/upsamplers/freqfusion_segnext.py',
]
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
