"""Losses on a network's features: their values (matching) and how they vary together (texture)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.losses.shapes import same

Features = Sequence[Tensor]  # of a batch, layer by layer, (N, C, H, W) each


def matching(made: Features, real: Features, mean: Callable[[Tensor], Tensor] = torch.mean) -> Tensor:
    """Give the mean over layers of mean |made - real| / mean |real|, so that no layer outweighs another by its size.

    Parameters
    ----------
    made, real : float tensors (N, C, H, W), one a layer; nothing flows back through `real`.
    mean : takes the mean of a layer's |real| over the whole batch, of which these may be a part.

    Raises
    ------
    ShapeError
        If the numbers of layers or the shapes differ, or there is no layer.

    References
    ----------
    Wang et al., "High-resolution image synthesis and semantic manipulation with conditional GANs", CVPR 2018,
    doi:10.1109/CVPR.2018.00917, equation 4; the division is ours.
    """
    _pairs(made, real)
    layers = []
    for a, b in zip(made, real, strict=True):
        truth = b.detach().float() if b.dtype == torch.bfloat16 else b.detach()
        layers.append((a.to(truth.dtype) - truth).abs().mean() / mean(truth.abs()).clamp_min(1e-8))
    return torch.stack(layers).mean()


def gram(features: Tensor) -> Tensor:
    """Give how the channels of features (N, C, H, W) vary together: (N, C, C), the mean over pixels of their products.

    Raises
    ------
    ShapeError
        If `features` has not four axes.
    """
    if features.ndim != 4:
        raise ShapeError(f"a tensor {tuple(features.shape)}", "features of four axes (N, C, H, W)", "Give one layer of a batch.")
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def texture(made: Features, real: Features, mean: Callable[[Tensor], Tensor] = torch.mean) -> Tensor:
    """Give the mean over layers of the mean |gram(made) - gram(real)| / mean |gram(real)|; parameters as `matching`.

    Raises
    ------
    ShapeError
        If the numbers of layers or the shapes differ, or there is no layer.

    References
    ----------
    Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, doi:10.1109/CVPR.2016.265;
    in super-resolution: Sajjadi, Schölkopf, Hirsch, "EnhanceNet", ICCV 2017, doi:10.1109/ICCV.2017.481.
    """
    _pairs(made, real)
    wide = [(a.float(), b.float()) if a.dtype == torch.bfloat16 else (a, b) for a, b in zip(made, real, strict=True)]
    return matching([gram(a) for a, _ in wide], [gram(b) for _, b in wide], mean)


def _pairs(made: Features, real: Features) -> None:
    if not made or len(made) != len(real):
        raise ShapeError(f"{len(made)} and {len(real)} layers of features", "the same layers, at least one", "Take both from one network.")
    for a, b in zip(made, real, strict=True):
        same(a, b)
