# ReSFU (arXiv 2407.02283), Segmenter-S on ADE20K: the factor 500 as a learning rate of its own. Under
# SGD without weight decay it is the same training as the released scaling of the gradients.
_base_ = ['./segmenter_vit-s_bilinear_8xb1-160k_ade20k-512x512.py', '../_base_/upsamplers/resfu.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(semantic_scores=dict(lr_mult=500), detail_scores=dict(lr_mult=500)))
)
