"""The protocol of the SRCNN papers, in which the published tables are: luma as uint8, LR unquantised, SR rounded, border = scale.

`srcnn_six` gives the six figures of the journal paper's table; its digits come with `border="clamp", single=True` (older MATLAB).

References
----------
C. Dong, C. C. Loy, K. He, X. Tang, Image super-resolution using deep convolutional networks, IEEE TPAMI 38 (2016),
doi:10.1109/TPAMI.2015.2439281.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_core.errors import InputError
from sr_core.metrics.distortion import psnr, ssim
from sr_core.metrics.ifc import ifc
from sr_core.metrics.msssim import msssim
from sr_core.metrics.nqm import nqm
from sr_core.metrics.protocol import Protocol, luma
from sr_core.metrics.wpsnr import wpsnr
from sr_core.operators.matlab import Border, resize, u8


@dataclass(frozen=True)
class Score:
    """PSNR (dB) and SSIM of one image under one protocol."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class SixScores:
    """The figures of the SRCNN journal table: PSNR, NQM, WPSNR in dB, IFC (padded) in bits a pixel, SSIM, MS-SSIM (MuX)."""

    psnr: float
    ssim: float
    ifc: float
    nqm: float
    wpsnr: float
    msssim: float


def modcrop(image: NDArray[Any], scale: int) -> NDArray[Any]:
    """Drop the last rows and columns of (..., H, W) that do not fill a block of the scale."""
    height, width = image.shape[-2:]
    return image[..., : height - height % scale, : width - width % scale]


def srcnn_pair(
    image: NDArray[np.uint8], scale: int, border: Border = "symmetric", single: bool = False
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Give the LR input (h, w), 0..1 and unquantised, and the luma reference (H, W) of uint8.

    Parameters
    ----------
    image : uint8 array (3, H, W) RGB, or (H, W) luma
    scale : int
    border : "symmetric" or "clamp"
        Border rule of the reduction; older MATLAB releases, and so most papers, had "clamp".
    single : bool
        Whether the reduction is made in single precision (float32 LR) instead of double.

    Raises
    ------
    InputError
        If the image is not uint8.
    """
    if image.dtype != np.uint8:
        raise InputError(f"an image of {image.dtype}", "uint8, as the protocol has it", "Give the picture as it is in the file.")
    reference = modcrop(u8(luma(image)) if image.ndim == 3 else image, scale)
    scaled = (reference / 255.0).astype(np.float32 if single else np.float64)
    return resize(scaled, Fraction(1, scale), border), reference


def srcnn_score(sr: NDArray[Any], reference: NDArray[np.uint8], scale: int) -> Score:
    """Score an SR luma image (H, W), 0..1, against the uint8 reference: rounded to uint8, `scale` px left out on each side."""
    made, truth, protocol = _as_scored(sr, reference, scale)
    return Score(psnr(made, truth, protocol), ssim(made, truth, protocol))


def srcnn_six(sr: NDArray[Any], reference: NDArray[np.uint8], scale: int) -> SixScores:
    """Score an SR luma image (H, W), 0..1, by all six figures of the journal table, as `srcnn_score` does by two.

    Raises
    ------
    ShapeError
        If a side is below 176 px inside the border (MS-SSIM).
    """
    pair = _as_scored(sr, reference, scale)
    return SixScores(psnr(*pair), ssim(*pair), ifc(*pair), nqm(*pair), wpsnr(*pair), msssim(*pair))


def _as_scored(sr: NDArray[Any], reference: NDArray[np.uint8], scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Protocol]:
    made = u8(sr * sr.dtype.type(255))[None]  # in the image's own class: single precision decides some roundings
    return made, reference[None], Protocol(data_range=255, border=scale)


def srcnn_protocol(
    image: NDArray[np.uint8],
    scale: int,
    upscale: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    border: Border = "symmetric",
    single: bool = False,
) -> Score:
    """Degrade, upscale and score one picture; `upscale` maps LR (h, w) to SR (H, W), both 0..1 (default: bicubic, as MATLAB has it)."""
    lr, reference = srcnn_pair(image, scale, border, single)
    sr = resize(lr, scale, border) if upscale is None else upscale(lr)
    return srcnn_score(sr, reference, scale)
