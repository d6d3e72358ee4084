# Runtime of the semantic segmentation configs that count epochs.
_base_ = './default_runtime.py'
log_processor = dict(by_epoch=True)
