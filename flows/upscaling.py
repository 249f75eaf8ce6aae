"""`sr upscale` behind its options: inputs to places, forecasts before the start, then one image after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flows.choice import choose
from flows.drift import drift_of_run
from flows.inputs import domain_of, expand, gather
from flows.naming import fields_in, places
from sr_core.errors import InputError
from sr_core.log import Log
from sr_core.records import Refusal

if TYPE_CHECKING:
    from flows.batch import Done, Job, There
    from flows.inputs import Inputs
    from sr_core.domain import Domain
    from sr_core.stages.restore import Restorer
    from sr_core.trust.domain_check import Drift

YOURS = 2


@dataclass(frozen=True)
class Request:
    """What a person asked for; the names are those of the options of `sr upscale`.

    `domain` None: what the files say. `memory` is in bytes, None: what is available.
    """

    domain: str | None
    paths: tuple[Path, ...]
    out: str
    workspace: Path
    null: bool = False
    dry_run: bool = False
    model: str | None = None
    scale: int | None = None
    bundle: Path | None = None
    interval: bool = True
    residual: bool = False
    overwrite: bool = False
    precision: str = "auto"
    memory: int | None = None
    tile: int | None = None
    ensemble: int | None = None


@dataclass
class Outcome:
    """What has come of a request so far.

    `there` are images whose result was there already; `exit_code` is 0, 1 or 2 as the command line has it. `drift` compares all of them
    together with the calibrated images; None where there is nothing to say.
    """

    domain: str = ""
    model: str = ""
    jobs: list[Job] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    there: list[There] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    exit_code: int = 0
    drift: Drift | None = None


def run(request: Request, outcome: Outcome, log: Log, stream: BinaryIO) -> None:
    """Do what was asked for and fill in `outcome`, as far as it goes.

    Raises
    ------
    SRError
        If nothing can be done, or the request is wrong; before anything is computed.
    """
    from flows.domains import load_domain

    if request.domain is not None:
        load_domain(request.domain)  # a misspelt name is said before a list is read, a misspelt field before files are
    fields_in(request.out)
    paths = expand(request.paths, stream, request.null)
    outcome.domain = request.domain or domain_of(paths)
    kind = load_domain(outcome.domain, upscaling_only=True)
    found = gather(kind, paths, log)
    outcome.refusals += found.refusals
    if len(found.refusals) > 1 or found.sources:
        for refusal in found.refusals:
            log.say(f"refused {refusal.path}: {refusal.sentence}")
    if not found.sources:
        reason = found.refusals[0].sentence if found.refusals else "No image lies there."
        given = ", ".join(map(str, request.paths))
        raise InputError(f"nothing to upscale in {given}", f"images that the {kind.name} domain reads", reason)
    outcome.exit_code = YOURS if found.asked else 0
    _upscale(request, kind, found, outcome, log)


def _upscale(request: Request, kind: Domain, found: Inputs, outcome: Outcome, log: Log) -> None:
    from flows.batch import Batch, Settings
    from sr_core.memory import available_memory
    from sr_core.stages.forecast import resident_bytes
    from sr_core.stages.restore import Restorer

    chosen = choose(request, kind)
    outcome.model = chosen.name
    if chosen.sentence:
        log.say(f"upscale: {chosen.sentence}")
    restorer = Restorer(chosen.folder, request.precision, tile=request.tile, ensemble=request.ensemble)
    if request.scale not in (None, restorer.scale):
        raise InputError(
            f"--scale {request.scale}", f"{restorer.scale}, the scale of {chosen.name}", "Leave it out, or choose another model."
        )
    if restorer.precision in restorer.refused:
        log.say(f"upscale: {restorer.precision} was measured and refused for this model (sr models gate-precision); it is run all the same")
    if sentence := restorer.predictor.ensemble.says():
        log.say(f"upscale: {sentence}")
    planned = places(found.sources, found.given, request.out, scale=restorer.scale, model=outcome.model, domain=outcome.domain)
    settings = Settings(
        interval=request.interval, residual=request.residual, overwrite=request.overwrite, asked=request.memory is not None,
        memory=resident_bytes() + available_memory() if request.memory is None else request.memory,
    )  # fmt: skip
    batch = Batch(kind, restorer, settings, log, alone=len(planned) == 1)
    try:
        outcome.there = batch.there
        outcome.jobs += batch.forecast(planned)
        if not request.dry_run:
            if outcome.jobs:
                log.say(says(outcome.jobs))
            outcome.done.extend(batch.run(outcome.jobs))
            outcome.drift = _drift(restorer, outcome, log)
    finally:
        outcome.refusals += batch.failures.refusals
    outcome.exit_code = batch.failures.exit_code or outcome.exit_code
    if not (outcome.there or (outcome.jobs if request.dry_run else outcome.done)):
        reason = batch.failures.refusals[0].sentence
        raise InputError(f"none of {len(planned)} images could be upscaled", "at least one", f"The first: {reason}")


def _drift(restorer: Restorer, outcome: Outcome, log: Log) -> Drift | None:
    from sr_core.trust.domain_check import deviations_in

    made = [(one.place.source, one.made) for one in outcome.there] + [(one.job.place.source, one.made) for one in outcome.done]
    drift = drift_of_run(restorer.calibration, ((source.group.id, deviations_in(one.verdict)) for source, one in made))
    if drift is not None:
        log.say(f"upscale: {drift.sentence}")
    return drift


def says(jobs: list[Job]) -> str:
    """Say in one line what a batch will take."""
    from flows.cli.output import duration_text
    from flows.storage import size_text

    said = [job.forecast for job in jobs]
    pixels = sum(f.pixels for f in said) / 1e6
    disk = sum(f.output_bytes for f in said) + max(f.working_bytes for f in said)
    what = jobs[0].place.source.path.name if len(jobs) == 1 else f"{len(jobs)} images"
    return (
        f"forecast: {what}, {pixels:.1f} million values: {duration_text(sum(f.seconds for f in said))}, "
        f"memory up to {size_text(max(f.peak_bytes for f in said))}, disk up to {size_text(disk)} ({size_text(said[0].free_bytes)} free)"
    )
