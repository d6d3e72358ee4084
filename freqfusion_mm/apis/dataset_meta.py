"""Class names and colours of a config's data set, without its files."""

from mmengine.config import Config
from mmengine.registry import DATASETS


def dataset_meta(cfg: Config) -> dict[str, list]:
    """Reads classes and palette off the test data set's type and settings.

    Convention:
        A model with more classes than the data set has (the ESPNet family learns the unlabelled pixels) gets
        `unlabelled`, black, for each of them.

    Returns:
        `classes`, names; `palette`, [R, G, B] each.

    Raises:
        ValueError: the config has no test data set, or one without class names.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset')
    while dataset and dataset.get('dataset'):
        dataset = dataset['dataset']
    if not dataset:
        raise ValueError('the config has no test_dataloader.dataset, which names the classes')
    with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
        dataset_class = registry.get(dataset['type'])
    meta = {**getattr(dataset_class, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    if not meta.get('classes'):
        raise ValueError(f'the data set {dataset["type"]} of the config names no classes; set metainfo.classes')
    classes = list(meta['classes'])
    palette = [list(map(int, colour)) for colour in meta.get('palette') or []]
    palette += [[int(37 * i % 256), int(91 * i % 256), int(151 * i % 256)] for i in range(len(palette), len(classes))]
    extra = (cfg.model.get('decode_head') or {}).get('num_classes', 0) - len(classes)
    return dict(classes=classes + ['unlabelled'] * max(extra, 0), palette=palette + [[0, 0, 0]] * max(extra, 0))
