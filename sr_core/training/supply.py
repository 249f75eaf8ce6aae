"""What reaches the steps: how long they wait for their batches, and whether there is anything in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.training.clock import Clock

WAIT = "train/data_wait"  # share of time; a figure of the clock, so it is told and never kept with the model
STARVED = 0.3  # share of time that steps wait for data, above which it is said
FLAT = 0.5  # share of patches without contrast, above which it is said
LEAST_PATCHES = 64  # fewer say nothing about contrast


class Supply:
    """Draws batches and keeps account of them.

    Parameters
    ----------
    clock : says how long it took.
    device : where batches lie.

    Notes
    -----
    Waiting is all that a step does not compute: reading, decoding, turning, and the way to the device. The account of contrast is part
    of a checkpoint; that of time is not, and begins anew with the process.
    """

    def __init__(self, clock: Clock, device: str) -> None:
        self._clock = clock
        self._flat = torch.zeros(2, dtype=torch.float64, device=device)  # patches without contrast, patches, not yet judged
        self._waited_s, self._began_s = 0.0, clock.wall_s()
        self._draws = 0
        self._starved_before, self._said_waiting, self._said_flat = False, False, False

    def batch(self, draw: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Draw a batch of inputs and references, (N, C, rows, cols) each."""
        began = self._clock.wall_s()
        y, x = draw()
        self._waited_s += self._clock.wall_s() - began
        self._draws += 1
        flat = x.amax(dim=(1, 2, 3)) == x.amin(dim=(1, 2, 3))
        self._flat += torch.stack([flat.sum(), flat.new_tensor(len(x), dtype=torch.int64)])
        return y, x

    def look(self, log: Log, step: int) -> None:
        """Report how the steps since the last look waited, if there were any, and judge the patches, once there are enough.

        Raises
        ------
        InputError
            If none of these patches has any contrast: there is nothing to learn.
        """
        now = self._clock.wall_s()
        if self._draws:
            log.metric(WAIT, self._look_at_time(log, now), step)
            self._look_at_contrast(log, step)
        self._waited_s, self._began_s, self._draws = 0.0, now, 0

    def tensors(self) -> dict[str, Tensor]:
        """Give the account of contrast, for a checkpoint."""
        return {"flat": self._flat}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; an empty one starts anew."""
        self._flat.zero_()
        if tensors:
            self._flat.copy_(tensors["flat"])

    def _look_at_time(self, log: Log, now: float) -> float:
        share = self._waited_s / max(now - self._began_s, 1e-9)
        if share > STARVED and self._starved_before and not self._said_waiting:  # twice in a row: the first reading of a file is no fault
            self._said_waiting = True
            log.say(
                f"Steps wait for data {share:.0%} of the time (more than {STARVED:.0%}). Stop other programs that use the CPU or the disk, "
                "move the workspace to a faster disk, or take a larger network: it would cost little time."
            )
        self._starved_before = share > STARVED
        return share

    def _look_at_contrast(self, log: Log, step: int) -> None:
        flat, patches = self._flat.tolist()
        if patches < LEAST_PATCHES:
            return
        self._flat.zero_()
        if flat == patches:
            raise InputError(
                f"{patches:.0f} training patches in a row without contrast, by step {step}",
                "patches with something in them",
                "Look at them with sr patches show; give other images, or mark what is empty as nodata.",
            )
        if flat > FLAT * patches and not self._said_flat:
            self._said_flat = True
            log.say(
                f"{flat / patches:.0%} of the last {patches:.0f} training patches have no contrast: little is learnt from them. "
                "Look at them with sr patches show, and mark what is empty as nodata."
            )
