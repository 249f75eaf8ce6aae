"""Figures of merit and the protocols they are measured under.

A `Protocol` says channel, range, border and rounding; `psnr` and `ssim` take it and use usable pixels only; `lr_psnr` asks whether an image
explains its measurement. `classical` is the protocol of the published tables.
"""

from sr_core.metrics.classical import Score, modcrop, srcnn_pair, srcnn_protocol, srcnn_score
from sr_core.metrics.consistency import lr_psnr
from sr_core.metrics.distortion import psnr, ssim
from sr_core.metrics.protocol import Protocol, luma

__all__ = ["Protocol", "Score", "lr_psnr", "luma", "modcrop", "psnr", "srcnn_pair", "srcnn_protocol", "srcnn_score", "ssim"]
