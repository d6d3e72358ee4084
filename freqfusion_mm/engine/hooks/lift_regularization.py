"""The two regularisers of LiftPool, as losses of any model of any of the frameworks."""

from functools import partial

from mmengine.hooks import Hook
from torch import Tensor, nn

from freqfusion_mm.layers import LiftDownPool

from ..plain_model import plain_model


class LiftRegularization(Hook):
    """Adds `loss_lift_update` and `loss_lift_predict` to the losses of a model that has `LiftDownPool` layers.

    Put it in a config: `custom_hooks = [dict(type='LiftRegularization')]`. The model class stays as it is: while
    training runs, what the layers computed in the forward pass is handed to the model's `parse_losses` beside its own
    losses, which sums and logs it by name.

    Paper: LiftPool, ICLR 2021, arXiv 2104.00996: c_u keeps the coarse half close to the pixels it stands for, c_p the
        details small. The weights of the paper are not known to us. The defaults are those of sshhj89/pooling_research
        (a8fe67f), which takes mean squares as we do, but c_p = mean((detail - even)^2), and both of the horizontal lift
        alone; Temporal Lift Pooling (21be215) has 0.001 for both on 2-norms.

    Args:
        weight_update, weight_predict: factors of c_u = mean((coarse - odd)^2) and c_p = mean(detail^2), each averaged
            over the three lifts of a layer and summed over the layers. Zero leaves a loss out.

    Raises:
        ValueError: negative weights, or at the start of training a model without a `LiftDownPool` that trains.
    """

    def __init__(self, weight_update: float = 0.01, weight_predict: float = 0.1) -> None:
        if weight_update < 0 or weight_predict < 0:
            raise ValueError(
                f'weights must not be negative, got weight_update={weight_update}, weight_predict={weight_predict}'
            )
        self.weights = {'loss_lift_update': weight_update, 'loss_lift_predict': weight_predict}

    def before_train(self, runner) -> None:
        model = plain_model(runner)
        pools = [module for module in model.modules() if isinstance(module, LiftDownPool)]
        pools = [pool for pool in pools if any(p.requires_grad for p in pool.parameters())]
        if not pools:
            raise ValueError(
                'LiftRegularization found no trainable LiftDownPool in the model: remove the hook from '
                "custom_hooks, or give the model pool_cfg=dict(type='lift')"
            )
        for pool in pools:
            pool.keep_penalties = True
        model.parse_losses = partial(self._parse_losses, model.parse_losses, pools)

    def after_train(self, runner) -> None:
        model = plain_model(runner)
        for pool in (module for module in model.modules() if isinstance(module, LiftDownPool)):
            pool.keep_penalties = False
        model.__dict__.pop('parse_losses', None)

    def _parse_losses(self, parse_losses, pools: list[nn.Module], losses: dict[str, Tensor]):
        kept = [pool.penalties for pool in pools if pool.penalties is not None]
        for pool in pools:
            pool.penalties = None  # the graph of this iteration must not live on
        for (name, weight), penalties in zip(self.weights.items(), zip(*kept)):
            if weight:
                losses = {**losses, name: weight * sum(penalties)}
        return parse_losses(losses)
