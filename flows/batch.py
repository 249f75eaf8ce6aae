"""Many images upscaled one after the other: forecast before the start, progress over all of them, one bad image never stops the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows import limits
from flows.naming import Place
from sr_core.errors import OutputError, SRError
from sr_core.log import Log
from sr_core.records import Refusal

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.raster import Bytes
    from sr_core.stages.forecast import Forecast, Pace
    from sr_core.stages.restore import Restorer
    from sr_core.stages.upscale import Upscaled

OUR_FAULT = 1


@dataclass(frozen=True)
class Settings:
    """How images are upscaled. `memory`: bytes that the process may take; `asked`: whether a person set that."""

    interval: bool
    residual: bool
    overwrite: bool
    memory: int
    asked: bool


@dataclass(frozen=True)
class Job:
    """An image with its place, its forecast, and the model made ready as the forecast has it."""

    place: Place
    forecast: Forecast
    restorer: Restorer


@dataclass(frozen=True)
class Done:
    """An image that was upscaled, and what it took."""

    job: Job
    made: Upscaled
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class There:
    """An image whose result was there already, made by the same command."""

    place: Place
    made: Upscaled


@dataclass
class Failures:
    """What could not be done, and the exit code that it asks for (0: none)."""

    refusals: list[Refusal] = field(default_factory=list)
    exit_code: int = 0

    def add(self, path: Path, error: Exception) -> Refusal:
        """Take a failure; our fault outweighs the user's."""
        sentence = str(error) if isinstance(error, SRError) else f"{type(error).__name__}: {error}. This is a fault of the program."
        refusal = Refusal(path=path, error=type(error).__name__, sentence=sentence)
        self.refusals.append(refusal)
        code = error.exit_code if isinstance(error, SRError) else OUR_FAULT
        self.exit_code = OUR_FAULT if OUR_FAULT in (code, self.exit_code) else code
        return refusal


class Overall:
    """A log that adds the progress over all images to that of the one at hand.

    Work whose total is the number of LR pixels of the image at hand is its upscaling; everything else is handed on as it is.
    """

    WHAT = "all images (LR pixels)"

    def __init__(self, log: Log, total: int) -> None:
        self.log, self.total = log, total
        self.finished = self.pixels = 0

    def begin(self, pixels: int) -> None:
        """Go on to an image of so many LR pixels."""
        self.pixels = pixels
        self.log.progress(self.WHAT, self.finished, self.total)

    def end(self) -> None:
        """Count the image at hand as finished, however it ended."""
        self.finished, self.pixels = self.finished + self.pixels, 0
        self.log.progress(self.WHAT, self.finished, self.total)

    def metric(self, name: str, value: float, step: int) -> None:
        """Hand on."""
        self.log.metric(name, value, step)

    def say(self, sentence: str) -> None:
        """Hand on."""
        self.log.say(sentence)

    def picture(self, name: str, pixels: Bytes, step: int) -> None:
        """Hand on."""
        self.log.picture(name, pixels, step)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Hand on, and move the whole by it."""
        self.log.progress(what, done, total, detail)
        if total == self.pixels and done < total:
            self.log.progress(self.WHAT, self.finished + done, self.total)


class Batch:
    """A domain and a model on many images.

    Parameters
    ----------
    alone : there is one image only: what goes wrong with it is raised as it is.

    Attributes
    ----------
    there : images that need no work, found by `forecast`; failures : those that could not be done.
    """

    def __init__(self, domain: Domain, restorer: Restorer, settings: Settings, log: Log, alone: bool = False) -> None:
        self.domain, self.restorer, self.settings, self.log, self.alone = domain, restorer, settings, log, alone
        self.failures = Failures()
        self.there: list[There] = []

    def forecast(self, places: Sequence[Place]) -> list[Job]:
        """Say what each image will take; an image that does not fit the model, the memory or its place is refused here.

        Images whose result is there already are kept in `there`.

        Raises
        ------
        OutputError
            If the disk cannot hold the results.
        """
        from sr_core.stages.forecast import forecast, resident_bytes
        from sr_core.stages.upscale import check_fits

        fitting: list[Place] = []
        for place in places:
            try:
                check_fits(place.source, self.restorer)
                free = self._is_free(place)
            except SRError as error:
                self._fail(place.source.path, error)
            else:
                fitting += [place] if free else []
        if not fitting:
            return []
        pace, base = self._pace(fitting), resident_bytes()

        def ask(place: Place, restorer: Restorer) -> Forecast:
            wishes = {"interval": self.settings.interval, "residual": self.settings.residual}
            return forecast(self.domain, place.source, restorer, place.target, pace, base_bytes=base, **wishes)

        jobs: list[Job] = []
        for place in fitting:
            restorer, said = limits.in_strips(place, ask(place, self.restorer), self.settings.memory, ask, self.restorer)
            try:
                limits.check_memory(place, said, self.settings.memory, self.settings.asked, ask, restorer)
            except SRError as error:
                self._fail(place.source.path, error)
            else:
                jobs.append(Job(place, said, restorer))
        limits.check_disk([(job.place.target, job.forecast) for job in jobs])
        return jobs

    def run(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """Upscale one image after the other; one that fails is said, kept in `failures` and passed over."""
        from sr_core.delivery import sweep
        from sr_core.stages.upscale import upscale

        for one in self.there:
            sweep(one.place.target)
        log = Overall(self.log, sum(_pixels(job) for job in jobs)) if len(jobs) > 1 else None
        for job in jobs:
            source, target = job.place.source, job.place.target
            if log is not None:
                log.begin(_pixels(job))
            began = time.perf_counter(), time.process_time()
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                made = upscale(
                    self.domain, source, job.restorer, target, log=log or self.log, interval=self.settings.interval,
                    residual=self.settings.residual, overwrite=self.settings.overwrite,
                )  # fmt: skip
            except SRError as error:
                self._fail(source.path, error)
            except OSError as error:
                given = f"output {target} ({error.strerror or error})"
                self._fail(source.path, OutputError(given, "a place that can be written", "Give another --out."))
            except Exception as error:  # a fault of ours in one image; the others are done, and the exit code says it
                if self.alone:
                    raise
                self.log.say(traceback.format_exc().rstrip())
                self._fail(source.path, error)
            else:
                yield Done(job, made, time.perf_counter() - began[0], time.process_time() - began[1])
            finally:
                if log is not None:
                    log.end()

    def _fail(self, path: Path, error: Exception) -> None:
        if self.alone:
            raise error
        refusal = self.failures.add(path, error)
        self.log.say(f"refused {refusal.path}: {refusal.sentence}")

    def _is_free(self, place: Place) -> bool:
        """Say whether the place is to be written; where this very result is there already, it is kept.

        Raises
        ------
        OutputError
            If something else is there.
        """
        from sr_core.stages.finished import finished

        if self.settings.overwrite or not place.target.exists():
            return True
        wishes = {"interval": self.settings.interval, "residual": self.settings.residual}
        made = finished(self.domain, place.source, self.restorer, place.target, **wishes)
        if made is None:
            given = f"output {place.target} exists, and is not what this command makes"
            raise OutputError(given, "a free place", "Give another --out, or --overwrite.")
        self.there.append(There(place, made))
        self.log.say(f"upscale: {place.source.path.name} -> {place.target.name} was there already: {made.verdict.sentence}")
        return False

    def _pace(self, places: Sequence[Place]) -> Pace:
        """Measure on the largest image, where all of them together are worth it."""
        from sr_core.stages.forecast import NOMINAL, PROBE_S, measure_pace, multiply_adds, nominal_pace

        amounts = [multiply_adds(self.restorer, place.source) for place in places]
        if sum(amounts) >= NOMINAL * PROBE_S:
            largest = places[amounts.index(max(amounts))]
            try:
                with self.domain.open(largest.source) as scene:
                    return measure_pace(self.domain, scene, self.restorer.for_scene(scene))
            except SRError:
                pass  # it is refused in its turn, with its reason
        return nominal_pace(self.restorer)


def _pixels(job: Job) -> int:
    _, height, width = job.forecast.lr
    return height * width
