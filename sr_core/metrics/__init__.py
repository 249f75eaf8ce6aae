"""Figures of merit and the protocols they are measured under.

A `Protocol` says channel, range, border and rounding; a `Table` refuses a column of two protocols. Every metric takes images (C, H, W), a
protocol and a mask, in float64, and uses usable pixels only. How a mask with holes is met:

- exactly, pixel by pixel: `psnr`, `wpsnr`, `rmse`, `ergas`, `spectral_angle`, `ndvi_difference`, and the figures on plain arrays;
- by windows or blocks that are wholly usable: `ssim`, `msssim`, `uiqi`, `q2n`; on the LR grid (`lr_psnr`, `ndvi_difference_lr`) by LR
  pixels with usable pixels only under their taps;
- refused in words, because a transform carries every pixel everywhere: `ifc`, `nqm`, `ring_correlation`, `octave_energy`,
  `sub_pixel_shift` (a mask that is a full rectangle cuts the images).

`classical` is the protocol of the published tables.
"""

from sr_core.metrics.classical import Score, SixScores, modcrop, srcnn_pair, srcnn_protocol, srcnn_score, srcnn_six
from sr_core.metrics.consistency import lr_psnr
from sr_core.metrics.distortion import psnr, ssim
from sr_core.metrics.ifc import ifc
from sr_core.metrics.intervals import CalibrationCurve, MeanOpinion, calibration_error, interval_score, mean_opinion
from sr_core.metrics.msssim import msssim
from sr_core.metrics.nqm import nqm
from sr_core.metrics.protocol import Protocol, luma
from sr_core.metrics.quality_index import q2n, uiqi
from sr_core.metrics.resolution import RingCorrelation, highest_octave, octave_distance, octave_energy, ring_correlation
from sr_core.metrics.shift import Shift, mean_floor, sub_pixel_shift
from sr_core.metrics.spectral import NdviDifference, SpectralAngle, ergas, ndvi_difference, ndvi_difference_lr, rmse, spectral_angle
from sr_core.metrics.table import Cell, Table
from sr_core.metrics.wpsnr import wpsnr

__all__ = [
    "CalibrationCurve", "Cell", "MeanOpinion", "NdviDifference", "Protocol", "RingCorrelation", "Score", "Shift", "SixScores",
    "SpectralAngle", "Table", "calibration_error", "ergas", "highest_octave", "ifc", "interval_score", "lr_psnr", "luma", "mean_floor",
    "mean_opinion", "modcrop", "msssim", "ndvi_difference", "ndvi_difference_lr", "nqm", "octave_distance", "octave_energy", "psnr", "q2n",
    "ring_correlation", "rmse", "spectral_angle", "srcnn_pair", "srcnn_protocol", "srcnn_score", "srcnn_six", "ssim", "sub_pixel_shift",
    "uiqi", "wpsnr",
]  # fmt: skip
