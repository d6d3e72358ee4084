# Shapes, semantic segmentation: a narrow DeepLabV3+, sized for a CPU core; the baseline, max pooling and strided
# convolutions.
_base_ = [
    '../_base_/models/deeplabv3plus_r18-slim.py',
    '../_base_/datasets/shapes_semantic.py',
    '../_base_/schedules/seg_shapes_1500i.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=_base_.data_preprocessor)
train_dataloader = dict(batch_size=4)
