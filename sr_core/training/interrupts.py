"""SIGTERM and SIGINT while training: the step is finished, a checkpoint is written, then the run ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from sr_core.errors import Interrupted
from sr_core.training.processes import Processes

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupts:
    """Remembers the first signal instead of dying of it, inside a `with` block; a second one acts at once.

    Notes
    -----
    Only the main thread can have handlers; elsewhere the block changes nothing. A signal that is ignored stays ignored. On leaving,
    the handlers of before are back, and a signal that nobody asked about is sent again.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before not in (None, signal.SIG_IGN):  # None: set outside of Python, cannot be put back
                    self._before[number] = before
                    signal.signal(number, self._remember)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._put_back()
        if self.received is not None and error is None:
            signal.raise_signal(self.received)

    def agreed(self, processes: Processes) -> bool:
        """Say whether a signal came to the first of several processes: then it came to all."""
        self.received = processes.agreed(self.received)
        return self.received is not None

    def check(self, words: str, step: int) -> None:
        """End the run if a signal came; what was done must be in a checkpoint.

        Parameters
        ----------
        words : where training is, for the sentence.
        step : steps done of the phase that goes on.

        Raises
        ------
        Interrupted
            If one came.
        """
        if self.received is not None:
            name = signal.Signals(self.received).name
            sentence = f"training stopped by {name} ({words}); a checkpoint is written: run the same command again to go on at step {step}."
            raise Interrupted(self.received, sentence)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self._put_back()
            signal.raise_signal(number)
        self.received = number

    def _put_back(self) -> None:
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)  # type: ignore[arg-type]
