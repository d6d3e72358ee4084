"""Feature similarity of a trained model's layers over the data set of its config."""

from collections.abc import Sequence
from contextlib import ExitStack

from ..evaluation.analysis.feature_similarity import FeatureSimilarity
from ..evaluation.analysis.layer_maps import Probe, label_of
from ..evaluation.analysis.similarity_report import Measured
from .classes import dataset_meta
from .model import task_of
from .trained import Trained


class LayerSimilarity:
    """Measures at some layers, over whole images and over the band along class boundaries.

    Args:
        trained: a segmentor with its data set.
        layers: names, see `layer_maps`.
        size: of the labels; None: their own.
        edge: side of the square around a boundary pixel; 0: whole images only.
        inter, interpolation: of `FeatureSimilarity`.

    Raises:
        ValueError: no segmentor; no such layer; an even `edge`.
    """

    def __init__(
        self,
        trained: Trained,
        layers: Sequence[str],
        *,
        size: Sequence[int] | None = None,
        edge: int = 5,
        inter: str = 'mean',
        interpolation: str = 'bilinear',
    ) -> None:
        if task_of(trained.model) != 'segmentation':
            raise ValueError(
                f'similarity is measured for semantic segmentation, the model is a {type(trained.model).__name__}'
            )
        if (getattr(trained.model, 'test_cfg', None) or {}).get('mode') == 'slide':
            trained.model.test_cfg['mode'] = 'whole'
        self.trained = trained
        self.size = size
        self.probes = [Probe(trained.model, layer) for layer in layers]
        self.classes = dataset_meta(trained.dataset)['classes']
        self.ignore_index = trained.ignore_label()
        self._regions = {'whole image': 0, **({f'boundary band ({edge})': edge} if edge else {})}
        self._options = dict(inter=inter, interpolation=interpolation, ignore_index=self.ignore_index)
        self._unmeasured()  # refuses options before the work

    def measure(self, images: int | None = None) -> tuple[Measured, list[str]]:
        """Over so many images, spread evenly, or all.

        Returns:
            What was measured by layer and region, and the names of the classes.
        """
        measured = self._unmeasured()
        with ExitStack() as stack:
            for probe in self.probes:
                stack.enter_context(probe)
            for _, batch in self.trained.batches(self.trained.spread(images)):
                samples = self.trained.predict(batch)
                labels = [label_of(sample, self.size, self.ignore_index) for sample in samples]
                for probe in self.probes:
                    for feature, label in zip(probe.take(), labels):
                        for region in self._regions:
                            measured[probe.layer, region].update(feature, label)
        return measured, self.classes

    def _unmeasured(self) -> Measured:
        return {
            (probe.layer, region): FeatureSimilarity(len(self.classes), edge_k=edge_k, **self._options)
            for probe in self.probes
            for region, edge_k in self._regions.items()
        }
