"""The fitted linear filter: the best k x k convolution on top of the operator's upscaling, solved in closed form.

It is a model family of its own, the base of the others, and the baseline that a trained network has to beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as functional
from torch import Tensor

from sr_core.errors import ShapeError
from sr_core.networks.blocks import Upscale, halo
from sr_core.networks.descriptor import Descriptor
from sr_core.operators import Operator, interpolation

Pair = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor, Tensor]
RIDGE = 1e-6  # of the mean squared difference between a pixel and its neighbours
CHUNK = 1 << 15  # windows at once: 21 MB of float64 for 81 taps


def linear_descriptor(operator: Operator, taps: int = 9) -> Descriptor:
    """Name the network that is the fitted filter alone."""
    return Descriptor(family="linear", scale=operator.scale[0], base="linear", linear_taps=taps, operator=operator.to_json(), spread=True)


def fit(pairs: Iterable[Pair], operator: Operator, taps: int, ridge: float = RIDGE) -> Tensor:
    """Fit the filter that predicts `hr - upscale(lr)` from the taps x taps neighbourhood of each LR pixel.

    Parameters
    ----------
    pairs : (lr (..., h, w), hr (..., s h, s w)), or (lr, hr, mask_lr, mask_hr) with masks (h, w) and (s h, s w), True =
        measured. In any unit, bands and samples alike; a window that touches a pixel which is masked or not finite is left out.
    operator : the degradation, whose `upscale` is the base (bicubic where the operator sees whole images only).
    taps : side k of the filter in LR pixels, odd.
    ridge : regularisation, relative to the mean of the normal matrix's diagonal.

    Returns
    -------
    float32 tensor (s², 1, k, k) for a convolution that is followed by a pixel shuffle.

    Raises
    ------
    ShapeError
        If no pair has a whole usable window.

    Notes
    -----
    Each of the s² filters sums to 0, because the regressors are differences to the centre pixel: a flat image stays flat,
    and the same filter serves raw and normalised pixels. Windows near a pair's border are left out, since a patch's upscaling
    is not the image's there. Normal equations in float64; one pass over the pairs.
    """
    scale = operator.scale[0]
    centre = taps * taps // 2
    others = [i for i in range(taps * taps) if i != centre]
    gram = torch.zeros(len(others), len(others), dtype=torch.float64)
    moment = torch.zeros(len(others), scale**2, dtype=torch.float64)
    margin = max(taps // 2, halo(Upscale(operator)))
    windows = 0
    for lr, hr, usable in _planes(pairs, operator):
        for x, r in _regressors(lr, hr, usable, taps, margin):
            x = (x - x[:, centre : centre + 1])[:, others]
            gram += x.T @ x
            moment += x.T @ r
            windows += len(x)
    if windows == 0:
        raise ShapeError(
            "training pairs without a single whole window", f"LR images of at least {2 * margin + 1} px a side with valid pixels",
            "Give larger images, or a smaller network.linear_taps.",
        )  # fmt: skip
    strength = ridge * gram.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    solution = torch.linalg.solve(gram + strength * torch.eye(len(others), dtype=torch.float64), moment)
    weights = torch.zeros(scale**2, taps * taps, dtype=torch.float64)
    weights[:, others] = solution.T
    weights[:, centre] = -solution.sum(dim=0)
    return weights.reshape(scale**2, 1, taps, taps).float()


def _planes(pairs: Iterable[Pair], operator: Operator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield band by band: LR (h, w), residual (s², h, w) and usable LR pixels (h, w); unusable pixels are 0."""
    scale = operator.scale[0]
    for lr, hr, *masks in pairs:
        if hr.shape != (*lr.shape[:-2], scale * lr.shape[-2], scale * lr.shape[-1]):
            given = f"LR {tuple(lr.shape)} with HR {tuple(hr.shape)}"
            raise ShapeError(given, f"HR sides {scale} times the LR sides", "Cut the pairs again.")
        coarse = lr.reshape(-1, *lr.shape[-2:]).double().cpu()
        fine = hr.reshape(-1, *hr.shape[-2:]).double().cpu()
        up = interpolation(operator)
        for low, high in zip(coarse, fine, strict=True):
            measured, known = torch.isfinite(low), torch.isfinite(high)
            if len(masks) == 2:
                measured, known = measured & masks[0].cpu().bool(), known & masks[1].cpu().bool()
            low, high = torch.where(measured, low, 0.0), torch.where(known, high, 0.0)
            usable = measured & functional.pixel_unshuffle(known[None, None].float(), scale)[0].amin(dim=0).bool()
            residual = high - up.upscale(low[None, None])[0, 0]
            yield low, functional.pixel_unshuffle(residual[None, None], scale)[0], usable


def _regressors(lr: Tensor, residual: Tensor, usable: Tensor, taps: int, margin: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield chunks of windows (n, taps²) and residuals (n, s²), for windows that are wholly inside and usable."""
    height, width = lr.shape
    if height <= 2 * margin or width <= 2 * margin:
        return
    reach = margin - taps // 2  # pixels that the window leaves unused at the border
    inner = lr[reach : height - reach, reach : width - reach]
    side = 2 * margin + 1
    whole = -functional.max_pool2d(-usable[None, None].float(), side, stride=1)[0, 0] > 0
    targets = residual[:, margin : height - margin, margin : width - margin]
    rows = max(1, CHUNK // (width - 2 * margin))
    for top in range(0, height - 2 * margin, rows):
        keep = whole[top : top + rows].flatten()
        strip = inner[top : top + rows + taps - 1]
        x = functional.unfold(strip[None, None], taps)[0].T[keep]
        r = targets[:, top : top + rows].flatten(1).T[keep]
        if len(x):
            yield x, r
