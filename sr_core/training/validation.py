"""How good a network is on whole validation images, beside the two baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sr_core.metrics import Protocol, highest_octave, psnr
from sr_core.networks import SRNet
from sr_core.operators import make_operator
from sr_core.raster import windows
from sr_core.training.task import Task, WholePair
from sr_core.training.views import View, views

PIECE = 512  # LR pixels: larger images are judged in pieces, each as an image of its own


@dataclass(frozen=True)
class Validation:
    """Judges networks on a task's validation images.

    Parameters
    ----------
    task : gives images, range and precision.
    filtered : the fitted linear filter, as a network.

    Notes
    -----
    PSNR is the mean over images; each pools its bands and usable pixels, without a border of `scale` pixels.
    """

    task: Task
    filtered: SRNet

    @cached_property
    def baselines(self) -> Mapping[str, float]:
        """PSNR in dB of "bicubic" interpolation, the "linear" filter, and the "parent" of a warm start where it fits the images."""
        bicubic = make_operator("bicubic", self.task.operator.scale)
        found = {"bicubic": self._mean(lambda y: bicubic.upscale(y)), "linear": self.psnr(self.filtered)}
        return found if self.task.rival is None else {**found, "parent": self.psnr(self.task.rival)}

    def psnr(self, net: SRNet) -> float:
        """Give a network's PSNR in dB."""
        return self._mean(self._predictor(net))

    @torch.no_grad()
    def octave(self, net: SRNet) -> float | None:
        """Give the energy of a network's images over the truth's in the highest octave of frequency, the mean over bands and images.

        Images with holes, or smaller than the measure asks, are left out; None where none is left.
        """
        predict = self._predictor(net)
        values: list[float] = []
        for lr, hr, _, mask in self._pieces():
            sr = predict(lr[None].float().to(self.task.device))[0].cpu().numpy()
            values += highest_octave(sr, hr.numpy(), self._protocol, mask.numpy().astype(bool))
        return float(np.mean(values)) if values else None

    @torch.no_grad()
    def show(self, net: SRNet, curve: str, step: int) -> None:
        """Send the log a picture of each fixed window (`views`): LR, what the network makes of it, HR."""
        predict = self._predictor(net)
        for number, view in enumerate(self._views, start=1):
            sr = predict(view.lr[None].to(self.task.device))[0].cpu().numpy()
            self.task.log.picture(f"{curve}/window_{number}", view.beside(sr), step)

    def _predictor(self, net: SRNet) -> Callable[[Tensor], Tensor]:
        task = self.task

        def predict(y: Tensor) -> Tensor:
            with task.autocast():
                mean: Tensor = net(task.normalised(y))
            return mean.float() * task.std + task.mean

        return predict

    @cached_property
    def _views(self) -> tuple[View, ...]:
        return views(self.task.val, self.task.operator.scale[0])

    @cached_property
    def _protocol(self) -> Protocol:
        data_range = self.task.recipe.data_range or float(self.task.reader.data_range())
        return Protocol(data_range=data_range, border=self.task.operator.scale[0])

    @torch.no_grad()
    def _mean(self, predict: Callable[[Tensor], Tensor]) -> float:
        values = []
        for lr, hr, _, mask in self._pieces():
            sr = predict(lr[None].float().to(self.task.device))[0].cpu().numpy()
            values.append(psnr(sr, hr.numpy(), self._protocol, mask.numpy().astype(bool)))
        return float(np.mean(values))

    def _pieces(self) -> Iterator[WholePair]:
        scale, border = self.task.operator.scale[0], self.task.operator.scale[0]
        for lr, hr, mask_lr, mask_hr in self.task.val:
            height, width = mask_lr.shape
            for window in windows(height, width, PIECE):
                rows, cols = window.slices()
                fine_rows, fine_cols = window.scaled(scale).slices()
                piece = lr[:, rows, cols], hr[:, fine_rows, fine_cols], mask_lr[rows, cols], mask_hr[fine_rows, fine_cols]
                if bool(piece[3][border:-border, border:-border].any()):
                    yield piece
