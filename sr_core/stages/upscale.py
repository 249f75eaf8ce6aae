"""Upscale: whole images, window by window, in their own file format, with interval and verdict."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.domain import Domain, OutputPlan
from sr_core.errors import BandError, InputError, ShapeError, SRError, UnitError, can_go_on
from sr_core.log import Log
from sr_core.memory import give_back
from sr_core.raster import OutputFile, Scene, SceneWriter, Window
from sr_core.records import Source
from sr_core.stages.bands import Band, bands_of, restore_bands, seams_of
from sr_core.stages.evidence import Grid, context_of, evidence_of, reference_for, run_checks, worst_of
from sr_core.stages.hallucination import HallucinationMeter
from sr_core.stages.inside import Inside, look_inside
from sr_core.stages.kernel import kernel_check
from sr_core.stages.overall import BEYOND, BandNote, chosen, note_of, overall_figures
from sr_core.stages.plan import gives_interval, make_plan
from sr_core.stages.regions import check_whole, enlarge_mask
from sr_core.stages.stored_interval import StoredInterval

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.verdict import CheckResult, Verdict

WAITING = 2  # bands that the writer has not finished, at most


@dataclass(frozen=True)
class Upscaled:
    """What an upscale made: its files and its verdict."""

    files: tuple[OutputFile, ...]
    verdict: Verdict


def upscale(
    domain: Domain,
    source: Source,
    restorer: Restorer,
    target: Path,
    *,
    log: Log,
    interval: bool = True,
    residual: bool = False,
    overwrite: bool = False,
) -> Upscaled:
    """Upscale one image into its own file format.

    Finished rows are kept in a hidden folder beside the target until all is published: after a kill, an interruption or a full disk the
    same call goes on with the rows that are missing, and gives the same files.

    Parameters
    ----------
    restorer : the bundle that does it, ready to run.
    target : final file (or folder, for a series).
    interval, residual : write the interval's half-width and the residual beside the image.
    overwrite : replace what is at the target.

    Raises
    ------
    OutputError
        If the target exists, is the source, or cannot be written.
    UnitError
        If the image's unit is not the bundle's.
    ShapeError
        If network or degradation were made for another number of bands.
    InputError
        If the image has no valid pixel.
    BandError
        If rows cannot be computed for a reason that does not lie in the image.
    """
    if interval and not gives_interval(restorer):
        reason = restorer.uncalibrated or "it has no interval to give"
        log.say(f"upscale: this bundle has no calibration that holds here ({reason}); no interval is written")
    with ExitStack() as stack:
        scene = stack.enter_context(domain.open(source))
        check_fits(scene, restorer)
        restorer = restorer.for_scene(scene)
        plan = make_plan(domain, source, scene, restorer, target, interval=interval, residual=residual, overwrite=overwrite)
        inside = look_inside(domain, source, scene, restorer)
        if inside.reason:
            log.say(f"upscale: {source.path.name} is outside of what was calibrated: {inside.reason}; there is no interval for it")
            restorer = restorer.outside(inside.reason)
            plan = replace(plan, claim=restorer.claim(domain.group_kind).text)  # the key stays: it names what decided this
        writer = stack.enter_context(domain.create(source, plan))
        try:
            _fill(scene, writer, restorer, plan, source.path.name, log)
            give_back()  # what the bands took, before the next step takes its own
            verdict = _judge(domain, source, scene, writer, restorer, inside, log)
            verdict = verdict.model_copy(update={"key": plan.key, "weights": restorer.bundle.weights_hash})
            give_back()
            files = writer.finish(verdict)
        except BaseException as error:
            if can_go_on(error):
                _say_what_is_kept(writer, log)
            raise
    log.say(f"upscale: {source.path.name} -> {target.name}: {verdict.sentence}")
    return Upscaled(files, verdict)


def upscale_path(domain: Domain, path: Path, restorer: Restorer, target: Path, *, log: Log, overwrite: bool = False) -> Upscaled:
    """Upscale one file or series given by its path.

    Raises
    ------
    InputError
        If the path holds no image, or more than one.
    """
    sources, refusals = domain.discover([path], log)
    if len(sources) != 1:
        reason = " ".join(r.says() for r in refusals[:3]) or f"{len(sources)} images lie there."
        raise InputError(f"{path}", f"one image that the {domain.name} domain reads", reason)
    return upscale(domain, sources[0], restorer, target, log=log, overwrite=overwrite)


def _say_what_is_kept(writer: SceneWriter, log: Log) -> None:
    canvas = writer.canvas
    log.say(
        f"upscale: stopped; {canvas.rows} of {canvas.layout.shape[1]} rows are finished and kept in {canvas.folder.parent}; "
        "the same command goes on there"
    )


def check_fits(scene: Scene | Source, restorer: Restorer) -> None:
    """Refuse an image, or the record of one, in another unit or with other bands than the model's."""
    card = restorer.card
    if scene.unit != card.unit and not restorer.any_unit:
        raise UnitError(
            f"an image in {scene.unit}",
            f"{card.unit}, in which the model was trained",
            "Declare the file's scale and unit, or train on such files.",
        )
    restorer.operator.for_bands(scene.shape[0])
    if not restorer.operator.windowed:
        check_whole(scene.shape[1] * restorer.scale, scene.shape[2] * restorer.scale, restorer.operator)
    if not card.descriptor.bandwise and scene.shape[0] != len(card.bands):
        raise ShapeError(
            f"an image of {scene.shape[0]} bands", f"the {len(card.bands)} bands {', '.join(card.bands)}", "Use a band-wise model."
        )
    ordered = not card.descriptor.bandwise or restorer.operator.bands is not None
    if ordered and scene.bands != card.bands and sorted(scene.bands) == sorted(card.bands):
        raise ShapeError(f"bands in the order {', '.join(scene.bands)}", ", ".join(card.bands), "Put them in the order of the model.")


def _fill(scene: Scene, writer: SceneWriter, restorer: Restorer, plan: OutputPlan, name: str, log: Log) -> None:
    """Send every band that is not finished yet to the writer, which works while the next one is read and computed."""
    bands, height, width = bands_of(scene, restorer.windowed), scene.shape[1], scene.shape[2]
    there = writer.canvas.rows
    start = sum(band.row < there for band in bands)
    what = f"upscaling {name} (LR pixels)"
    if there:
        log.say(f"upscale: {there} of {height} rows of {name} were there already; going on")
    log.progress(what, there * width, height * width)

    def take(band: Band) -> None:
        mask = enlarge_mask(band.lr.mask, restorer.operator.scale)
        note = note_of(band, scene.encoding.step).to_json()
        residual = band.residual if plan.residual else None
        half_width = band.half_width if plan.interval else None
        writer.write(band.window.scaled(restorer.scale), band.sr, mask, half_width, residual, note)

    with ThreadPoolExecutor(1, "writer") as thread:
        waiting: deque[Future[None]] = deque()
        made = restore_bands(restorer, scene, start=start, residual=True)
        for band in bands[start:]:
            if len(waiting) == WAITING:
                waiting.popleft().result()
            waiting.append(thread.submit(take, _next(made, band, name)))
            log.progress(what, (band.row + band.height) * width, height * width)
        while waiting:
            waiting.popleft().result()


def _next(made: Iterator[Band], window: Window, name: str) -> Band:
    """Compute a band; an error says where.

    Raises
    ------
    SRError
        What was raised, with rows and columns; BandError for what was not foreseen.
    """
    where = f"{name}, rows {window.row} to {window.row + window.height - 1}, columns {window.col} to {window.col + window.width - 1}"
    try:
        return next(made)
    except SRError as error:
        raise type(error)(f"{where}: {error.given}", error.expected, error.remedy) from error
    except Exception as error:
        remedy = "Free memory or the device, and run the same command again; it goes on with these rows."
        raise BandError(f"{where}: {type(error).__name__}: {error}", "rows that can be computed", remedy) from error


def _judge(domain: Domain, source: Source, scene: Scene, writer: SceneWriter, restorer: Restorer, inside: Inside, log: Log) -> Verdict:
    """Read the written result back, in some windows, and hold it against the measurement; add the figures of the whole image."""
    from sr_core.bundle import software
    from sr_core.trust.verdict import judge

    _, height, width = scene.shape
    notes = [BandNote.from_json(note, "journal") for note in writer.canvas.notes]
    if not (places := chosen(notes)):
        raise InputError(f"{source.path.name} has no valid pixel", "an image with valid pixels", "Look at its nodata value and mask.")
    grid = Grid.of(scene, writer, *seams_of(restorer, scene))
    results: list[tuple[CheckResult, ...]] = []
    stored = StoredInterval(notes)
    invented = HallucinationMeter(restorer, (height * restorer.scale, width * restorer.scale), len(places))
    for done, chosen_window in enumerate(places):
        log.progress("checking the written file", done, len(places))
        window = chosen_window.grown(BEYOND, height, width)
        around = window.grown(context_of(restorer.operator), height, width)
        lr = scene.read(around)
        written = writer.reread(around.scaled(restorer.scale))
        half_width = writer.reread_half_width(around.scaled(restorer.scale))
        evidence = evidence_of(
            restorer, lr, written.pixels, half_width, scene.encoding.step, mask_hr=written.mask,
            core=window.inside(around), where=window.scaled(restorer.scale),
            lossless=writer.lossless, grid=grid, spread=None if half_width is None else restorer.spread_under(half_width),
        )  # fmt: skip
        results.append(run_checks(domain, evidence, reference_for(restorer), len(places)))
        inner = chosen_window.inside(around).scaled(restorer.scale).slices()
        stored.take(chosen_window, None if half_width is None else half_width[(slice(None), *inner)], written.mask[inner])
        invented.take(evidence)
    log.progress("checking the written file", len(places), len(places))
    clipped = writer.canvas.clipped
    if clipped:
        log.say(f"upscale: {clipped} values of {source.path.name} lay beyond what the file can hold and were cut to its range")
    return judge(
        restorer.claim(domain.group_kind),
        (
            *worst_of(results),
            stored.result(),
            *invented.results(),
            kernel_check(scene, places, restorer),
            *overall_figures(notes, clipped, scene.encoding.step, scene.unit),
            *inside.checks,
        ),
        abstain=inside.abstains,
        cautions=restorer.cautions,
        invisible_size_px=restorer.invisible_size_px,
        covered_share=1.0 if gives_interval(restorer) and not inside.reason else 0.0,
        inputs=(source.sha256,),
        software=software(),
        time=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
