# FreqFusion with the parameters that the paper's Table II prints (+0.34 M), in SegFormer-B1 on ADE20K; the published
# mIoU stands beside the row of the released form.
_base_ = ['./segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion-paper.py']
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, hamming_window=False)))
