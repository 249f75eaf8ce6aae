"""What reaches the steps: how long they wait for their batches, and whether there is anything in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.training.clock import Clock

WAIT = "train/data_wait"  # share of time; a figure of the clock, so it is told and never kept with the model
STARVED = 0.3  # share of time that steps wait for data, above which it is said
FLAT = 0.5  # share of patches without contrast, above which it is said
LEAST_PATCHES = 64  # fewer say nothing about contrast


class Waiting(Protocol):
    """Adds up the time between pairs of calls."""

    def begin(self) -> None:
        """Take note that the last step is over."""

    def end(self) -> None:
        """Take note that the next one can begin."""

    def taken_s(self) -> float:
        """Give the seconds of all pairs since the last call."""


class HostWaiting:
    """By the clock, where the program waits for what it computes."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._sum_s, self._began_s = clock, 0.0, 0.0

    def begin(self) -> None:
        """Look at the clock."""
        self._began_s = self._clock.wall_s()

    def end(self) -> None:
        """Look again."""
        self._sum_s += self._clock.wall_s() - self._began_s

    def taken_s(self) -> float:
        """Give the seconds since the last call."""
        taken, self._sum_s = self._sum_s, 0.0
        return taken


class DeviceWaiting:
    """By marks in the GPU's queue, which it passes when it gets there; the program never waits for them but in `taken_s`."""

    def __init__(self) -> None:
        self._marks: list[torch.cuda.Event] = []

    def begin(self) -> None:
        """Put a mark behind the last step."""
        self._mark()

    def end(self) -> None:
        """Put a mark before the next."""
        self._mark()

    def taken_s(self) -> float:
        """Give the seconds since the last call."""
        marks, self._marks = self._marks, []
        if marks:
            marks[-1].synchronize()
        pauses_ms: list[float] = [first.elapsed_time(second) for first, second in zip(marks[::2], marks[1::2], strict=True)]
        return sum(pauses_ms) / 1000

    def _mark(self) -> None:
        mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        mark.record()
        self._marks.append(mark)


class Supply:
    """Draws batches and keeps account of them.

    Parameters
    ----------
    clock : says how long it took.
    device : where batches lie.

    Notes
    -----
    Waiting is all that a step does not compute: reading, decoding, turning, and the way to the device. A GPU works behind the program's
    back; there it is the time between two steps on the GPU itself. The account of contrast is part of a checkpoint; that of time is
    not, and begins anew with the process.
    """

    def __init__(self, clock: Clock, device: str) -> None:
        self._clock = clock
        self._flat = torch.zeros(2, dtype=torch.float64, device=device)  # patches without contrast, patches, not yet judged
        self._began_s, self._draws = clock.wall_s(), 0
        self._waiting: Waiting = DeviceWaiting() if torch.device(device).type == "cuda" else HostWaiting(clock)
        self._starved_before, self._said_waiting, self._said_flat = False, False, False

    def batch(self, draw: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Draw a batch of inputs and references, (N, C, rows, cols) each."""
        self._waiting.begin()
        y, x = draw()
        self._waiting.end()
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
        if self._draws:
            log.metric(WAIT, self._look_at_time(log), step)
            self._look_at_contrast(log, step)
        self._began_s, self._draws = self._clock.wall_s(), 0

    def tensors(self) -> dict[str, Tensor]:
        """Give the account of contrast, for a checkpoint."""
        return {"flat": self._flat}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; an empty one starts anew."""
        self._flat.zero_()
        if tensors:
            self._flat.copy_(tensors["flat"])

    def _look_at_time(self, log: Log) -> float:
        waited_s = self._waiting.taken_s()
        share = waited_s / max(self._clock.wall_s() - self._began_s, 1e-9)
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
