# Shapes, classification: a narrow ResNet-18, sized for a CPU core; the baseline, max pooling and strided convolutions.
_base_ = [
    '../_base_/models/resnet18-slim_shapes.py',
    '../_base_/datasets/shapes_classification.py',
    '../_base_/schedules/cls_shapes_30e.py',
]
