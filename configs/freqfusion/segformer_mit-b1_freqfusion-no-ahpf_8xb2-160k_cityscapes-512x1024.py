# FreqFusion (TPAMI 2024), Table I, row without the high-pass (AHPF) generator of the final fusion.
# The paper's model is not stated; the released tool's is SegFormer on Cityscapes.
_base_ = [
    './segformer_mit-b1_bilinear_8xb2-160k_cityscapes-512x1024.py',
    '../_base_/upsamplers/freqfusion_segformer.py',
]
model = dict(decode_head=dict(upsample_cfg=dict(_base_.upsample_cfg, highpass=False, initial_highpass=True)))
