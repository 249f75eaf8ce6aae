"""What a stage tells its caller while it works; the caller decides where that goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sr_core.raster import Bytes


class Log(Protocol):
    """Receives metrics, progress, pictures and sentences; knows no tracking server."""

    def metric(self, name: str, value: float, step: int) -> None:
        """Take the value of a named metric at a step."""

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Take how far a named piece of work is, and in a few words how it goes; `done == total` ends it."""

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Take a picture at a step: uint8 (H, W, 3), red, green, blue."""

    def say(self, sentence: str) -> None:
        """Take one sentence for a person."""


class Silent:
    """A log that drops everything."""

    def metric(self, name: str, value: float, step: int) -> None:
        """Drop it."""

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Drop it."""

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Drop it."""

    def say(self, sentence: str) -> None:
        """Drop it."""


class Fan:
    """A log that hands everything on to several others."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self.logs = tuple(logs)

    def metric(self, name: str, value: float, step: int) -> None:
        """Hand on a metric."""
        for log in self.logs:
            log.metric(name, value, step)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Hand on progress."""
        for log in self.logs:
            log.progress(what, done, total, detail)

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Hand on a picture."""
        for log in self.logs:
            log.picture(name, pixels, step)

    def say(self, sentence: str) -> None:
        """Hand on a sentence."""
        for log in self.logs:
            log.say(sentence)
