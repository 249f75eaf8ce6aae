"""Losses on single pixels. All take float32 tensors of one shape and give their mean as a scalar tensor.

The caller divides by the size of what is learnt, so that a loss of 1 means "nothing learnt yet" in every unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.losses.shapes import same

PixelLoss = Callable[[Tensor, Tensor], Tensor]


def l1(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the mean absolute difference of two tensors of one shape.

    Raises
    ------
    ShapeError
        If the shapes differ (broadcasting would hide a mistake).
    """
    same(predicted, target)
    return (predicted - target).abs().mean()


def l2(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the mean squared difference of two tensors of one shape.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    same(predicted, target)
    return (predicted - target).square().mean()


def charbonnier(predicted: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Give the mean of sqrt(d² + epsilon²) - epsilon: L1 that is smooth below `epsilon`, and 0 at 0.

    Raises
    ------
    ShapeError
        If the shapes differ.

    References
    ----------
    Charbonnier, Blanc-Feraud, Aubert, Barlaud, "Two deterministic half-quadratic regularization algorithms for
    computed imaging", ICIP 1994, doi:10.1109/ICIP.1994.413553.
    """
    same(predicted, target)
    return ((predicted - target).square() + epsilon**2).sqrt().mean() - epsilon


def magnitude(spread: Tensor, error: Tensor, weight: Tensor | None = None) -> Tensor:
    """Give the mean of (spread - |error|)², whose smallest value is at spread = expected |error|.

    Parameters
    ----------
    spread : float tensor (N, C, H, W), >= 0: the estimated size of the error.
    error : float tensor of the same shape: truth minus prediction; nothing flows back through it.
    weight : float tensor that broadcasts to the shape, 1 = counts, 0 = does not; None counts all.

    Raises
    ------
    ShapeError
        If `spread` and `error` differ in shape, or nothing counts.
    """
    same(spread, error)
    squared = (spread - error.detach().abs()).square()
    if weight is None:
        return squared.mean()
    counted = weight.expand_as(squared)
    total = counted.sum()
    if not bool(total > 0):
        raise ShapeError("a weight of 0 everywhere", "at least one pixel that counts", "Use larger patches.")
    return (squared * counted).sum() / total


def laplace(scale: Tensor, error: Tensor) -> Tensor:
    """Give the mean of log(scale) + |error| / scale: the negative log-likelihood of a Laplace distribution about 0, less log 2.

    For errors of one size its smallest value, like that of `magnitude`, is at scale = mean |error|; but what counts is the ratio of the
    two, so large errors weigh little and small scales are learnt as exactly as large ones.

    Parameters
    ----------
    scale : float tensor (N, C, H, W), > 0: the estimated size of the error.
    error : float tensor of the same shape: truth minus prediction; nothing flows back through it.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    same(scale, error)
    return (scale.log() + error.detach().abs() / scale).mean()


PIXEL_LOSSES: Mapping[str, PixelLoss] = MappingProxyType({"l1": l1, "l2": l2, "charbonnier": charbonnier})
SPREAD_LOSSES: Mapping[str, PixelLoss] = MappingProxyType({"light": magnitude, "heavy": laplace})  # by the tail of the errors
