# ReSFU (arXiv 2407.02283), Segmenter-S on ADE20K: the factor 500 as a learning rate of its own. Under
# SGD without weight decay a step at the first rate is that of the released scaling of the gradients; later the
# schedule, whose least rate (1e-4) is the same for all, takes it lower: to 0.92 of it halfway, to 1/500 at the end.
_base_ = ['./segmenter_vit-s_bilinear_8xb1-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(semantic_scores=dict(lr_mult=500), detail_scores=dict(lr_mult=500)))
)
