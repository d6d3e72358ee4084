"""FLOPs of our operators in mmengine's `get_model_complexity_info`.

Lacking: the function takes no handlers of its caller, and an operator without one counts nothing (mmengine 0.10.7 and
    onedl 0.10.12).
Changes: mmengine's table gets an entry for each operator of ours; no other entry is touched.
Goes: when mmengine reads the formulas of `torch.utils.flop_counter`.
"""


def apply() -> None:
    """Adds our entries."""
    from mmengine.analysis.complexity_analysis import _DEFAULT_SUPPORTED_FLOP_OPS

    from ..ops.flops import jit_handlers

    _DEFAULT_SUPPORTED_FLOP_OPS.update(jit_handlers())
