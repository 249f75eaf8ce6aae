"""The loss on what was measured."""

from __future__ import annotations

from torch import Tensor

from sr_core.operators import Operator


def consistency(operator: Operator, x: Tensor, y: Tensor, margin: int = 0) -> Tensor:
    """Give the mean of |A x - y|: how far the HR image x is from explaining the measurement y. What A cannot see costs nothing.

    Parameters
    ----------
    operator : A.
    x : float32 or float64 (N, C, s H, s W).
    y : (N, C, H, W), of x's type and unit.
    margin : LR pixels at each border that do not count; of a patch, those that A degrades with what lies beyond it.

    Raises
    ------
    ShapeError
        If the images do not fit.

    References
    ----------
    Bahat, Michaeli, "Explorable super resolution", CVPR 2020, doi:10.1109/CVPR42600.2020.00279, section 3 (there enforced, here a cost).
    """
    rows, cols = (slice(margin, side - margin) for side in y.shape[-2:])
    return operator.residual(x, y)[..., rows, cols].abs().mean()
