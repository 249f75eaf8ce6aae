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

    from sr_core.raster import Bytes

PLAIN_EVERY_S = 5.0
PLAIN_SHARE = 0.1  # of the time so far: an hour of work is some fifty lines
PLAIN_AT_LEAST_S = 600.0
FIGURES_WIDTH = 68  # characters that the figures beside the name of the work take on a terminal


@dataclass
class _Work:
    """One named piece of work: when it began, when it was last spoken of, and its bar."""

    began: float
    spoken: float
    at_first: int
    bar: TaskID | None = None

    def pause(self, now: float) -> float:
        """Give how long a plain stream is left alone, in seconds."""
        return min(max(PLAIN_EVERY_S, PLAIN_SHARE * (now - self.began)), PLAIN_AT_LEAST_S)

    def pace(self, done: int, total: int, now: float) -> tuple[str, str]:
        """Give rate and time left in words; nothing where there is no rate yet."""
        from flows.cli.output import duration_text

        seconds = now - self.began
        rate = (done - self.at_first) / seconds if seconds > 0 else 0.0
        return (f"{rate:.3g}/s", f"{duration_text((total - done) / rate)} left") if rate else ("", "")


class RichLog:
    """Writes to stderr: bars on a terminal, else a line now and then. Metrics and pictures are left to others.

    Parameters
    ----------
    console : where to write; by default stderr.
    clock : seconds, monotonic.

    Notes
    -----
    Use it as a context manager: leaving it takes unfinished bars away. Work that is over before it is spoken of for a
    second time shows nothing on a plain stream. There a piece of work is spoken of every five seconds, and less often the
    longer it takes: when a tenth of the time so far has gone by, at the latest after ten minutes.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console as RichConsole

        self.console = console or RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self.clock = clock
        self._work: dict[str, _Work] = {}
        self._bars: Progress | None = None

    def metric(self, name: str, value: float, step: int) -> None:
        """Drop it: curves are for the report and the tracking page."""

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Drop it."""

    def say(self, sentence: str) -> None:
        """Print a sentence above the bars."""
        self.console.print(sentence, markup=False)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Show how far a piece of work is; `done == total` ends it."""
        now = self.clock()
        work = self._work.get(what)
        if work is None:
            if done >= total:
                return
            work = self._work[what] = _Work(began=now, spoken=now, at_first=done)
        if self.console.is_terminal:
            self._show_bar(what, work, done, total, detail, now)
        elif done < total and now - work.spoken >= work.pause(now):
            work.spoken = now
            self.console.print(self._line(what, work, done, total, detail, now), markup=False)
        if done >= total:
            self._end(what, work, total, detail, now)

    def _show_bar(self, what: str, work: _Work, done: int, total: int, detail: str, now: float) -> None:
        if work.bar is None:
            work.bar = self._progress().add_task(what, total=total, rate="", detail="", left="")
        rate, left = work.pace(done, total, now)
        self._progress().update(work.bar, completed=done, total=total, rate=rate, detail=detail, left=left)

    def _end(self, what: str, work: _Work, total: int, detail: str, now: float) -> None:
        del self._work[what]
        if work.bar is not None:
            self._progress().remove_task(work.bar)
            if not self._work:
                self.close()
        seconds = now - work.began
        if seconds >= 2:
            self.console.print(", ".join(part for part in (f"{what}: {total} in {seconds:.0f} s", detail) if part), markup=False)

    def _line(self, what: str, work: _Work, done: int, total: int, detail: str, now: float) -> str:
        rate, left = work.pace(done, total, now)
        return ", ".join(part for part in (f"{what}: {done}/{total} ({100 * done / total:.0f} %)", rate, detail, left) if part)

    def _progress(self) -> Progress:
        if self._bars is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
            from rich.table import Column

            words = max(10, self.console.width - FIGURES_WIDTH)
            columns = (
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=words)),
                BarColumn(bar_width=None, table_column=Column(ratio=1)), MofNCompleteColumn(), TaskProgressColumn(),
                *(TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("rate", "detail", "left")),
            )  # fmt: skip
            self._bars = Progress(*columns, console=self.console, transient=True, expand=True, get_time=self.clock)
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

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Drop it."""

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Drop it."""

    def say(self, sentence: str) -> None:
        """Remember a sentence."""
        self.sentences.append(sentence)

    @property
    def reused(self) -> tuple[str, ...]:
        """Names of the stages whose result was there already, in order (`Workspace.once` says "<stage>: reused <key>")."""
        found = (sentence.partition(": reused ") for sentence in self.sentences)
        return tuple(stage for stage, reused, _ in found if reused)
