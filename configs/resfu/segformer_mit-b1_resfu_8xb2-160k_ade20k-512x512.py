# ReSFU (arXiv 2407.02283), SegFormer-B1 on ADE20K, with the paper's dilations 2, 4 and 8 for x2, x4
# and x8. The released lr_mult of 500 is left out: it does nothing under AdamW. Tested on whole images of any size, as
# released; the bilinear row is tested at multiples of 32.
_base_ = ['../freqfusion/segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
