"""Time as training sees it: an object that is handed in, so that tests say what time it is."""

from __future__ import annotations

import time
from typing import Protocol

from sr_core.records import Record


class Spent(Record):
    """Seconds of process time and by the clock that a phase has used so far."""

    cpu_s: float = 0.0
    wall_s: float = 0.0


class Clock(Protocol):
    """Two clocks that never go back; only differences count."""

    def cpu_s(self) -> float:
        """Give the process time of all threads, in seconds."""

    def wall_s(self) -> float:
        """Give the time of day, in seconds from any moment."""


class SystemClock:
    """The machine's clocks."""

    def cpu_s(self) -> float:
        """Give the process time of all threads, in seconds."""
        return time.process_time()

    def wall_s(self) -> float:
        """Give the time by the monotonic clock, in seconds."""
        return time.monotonic()


class Stopwatch:
    """Adds the time from now on to what was spent before."""

    def __init__(self, clock: Clock, before: Spent) -> None:
        self._clock, self._before = clock, before
        self._began = clock.cpu_s(), clock.wall_s()

    def spent(self) -> Spent:
        """Give all that was spent until now."""
        cpu_s, wall_s = self._began
        return Spent(cpu_s=self._before.cpu_s + self._clock.cpu_s() - cpu_s, wall_s=self._before.wall_s + self._clock.wall_s() - wall_s)
