"""What a person at a terminal sees while stages work: sentences, and progress with rate and time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PLAIN_EVERY_S = 5.0


@dataclass
class _Work:
    """One named piece of work: when it began, when it was last spoken of, and its bar."""

    began: float
    spoken: float
    at_first: int
    bar: TaskID | None = None


class RichLog:
    """Writes to stderr: bars on a terminal, else a line every five seconds. Metrics are left to others.

    Parameters
    ----------
    console : where to write; by default stderr.
    clock : seconds, monotonic.

    Notes
    -----
    Use it as a context manager: leaving it takes unfinished bars away. Work that is over before it is spoken of for a
    second time shows nothing on a plain stream.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console as RichConsole

        self.console = console or RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self.clock = clock
        self._work: dict[str, _Work] = {}
        self._bars: Progress | None = None

    def metric(self, name: str, value: float, step: int) -> None:
        """Drop it: curves are for the report and the tracking page."""

    def say(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self.console.print(sentence, markup=False)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far a piece of work is; `done == total` ends it."""
        now = self.clock()
        work = self._work.get(what)
        if work is None:
            if done >= total:
                return
            work = self._work[what] = _Work(began=now, spoken=now, at_first=done)
        if self.console.is_terminal:
            self._show_bar(what, work, done, total)
        elif done < total and now - work.spoken >= PLAIN_EVERY_S:
            work.spoken = now
            self.console.print(self._line(what, work, done, total, now), markup=False)
        if done >= total:
            self._end(what, work, total, now)

    def _show_bar(self, what: str, work: _Work, done: int, total: int) -> None:
        if work.bar is None:
            work.bar = self._progress().add_task(what, total=total, rate="")
        rate = self._rate(work, done, self.clock())
        self._progress().update(work.bar, completed=done, total=total, rate=f"{rate:.3g}/s" if rate else "")

    def _end(self, what: str, work: _Work, total: int, now: float) -> None:
        del self._work[what]
        if work.bar is not None:
            self._progress().remove_task(work.bar)
            if not self._work:
                self.close()
        seconds = now - work.began
        if seconds >= 2:
            self.console.print(f"{what}: {total} in {seconds:.0f} s", markup=False)

    def _line(self, what: str, work: _Work, done: int, total: int, now: float) -> str:
        rate = self._rate(work, done, now)
        left = f", {rate:.3g}/s, {(total - done) / rate:.0f} s left" if rate else ""
        return f"{what}: {done}/{total} ({100 * done / total:.0f} %){left}"

    @staticmethod
    def _rate(work: _Work, done: int, now: float) -> float:
        seconds = now - work.began
        return (done - work.at_first) / seconds if seconds > 0 else 0.0

    def _progress(self) -> Progress:
        if self._bars is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(), TextColumn("left"),
            )  # fmt: skip
            self._bars = Progress(*columns, console=self.console, transient=True)
            self._bars.start()
        return self._bars

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Notebook:
    """Remembers the sentences, and which stages said that they reused an earlier result."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def metric(self, name: str, value: float, step: int) -> None:
        """Drop it."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Drop it."""

    def say(self, sentence: str) -> None:
        """Remember a sentence."""
        self.sentences.append(sentence)

    @property
    def reused(self) -> tuple[str, ...]:
        """Names of the stages whose result was there already, in order (`Workspace.once` says "<stage>: reused <key>")."""
        found = (sentence.partition(": reused ") for sentence in self.sentences)
        return tuple(stage for stage, reused, _ in found if reused)
