"""Upscale: whole images, window by window, in their own file format, with interval and verdict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sr_core.domain import Domain, OutputPlan
from sr_core.errors import InputError, OutputError, ShapeError, UnitError
from sr_core.log import Log
from sr_core.raster import OutputFile, Raster, Scene, SceneWriter, Window, windows
from sr_core.records import Source
from sr_core.stages.evidence import evidence_of, residual_of, run_checks, worst_of
from sr_core.stages.regions import enlarge_mask

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.verdict import CheckResult, Verdict

WINDOW = 256  # LR pixels a side; with its margin a window stays below what the network takes at once
CHECKED = 16  # windows, spread over the image, in which the written file is read back and checked


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
    InputError
        If the image has no valid pixel.
    """
    if not interval and restorer.calibration is None:
        log.say("upscale: this bundle has no calibration that holds here; no interval is written")
    _check_target(source, target, overwrite)
    plan = OutputPlan(
        target=target,
        scale=restorer.scale,
        model=f"{domain.name}:{restorer.bundle.weights_hash[:12]}",
        operator=restorer.operator.describe(),
        claim=restorer.claim(domain.group_kind).text,
        tags={
            "SR_MODEL": restorer.bundle.weights_hash,
            "SR_CALIBRATION": restorer.calibration.digest() if restorer.calibration else "none",
            "SR_NOTICE": domain.sensitivity.notice,
        },
        interval=interval,
        residual=residual,
        overwrite=overwrite,
    )
    with ExitStack() as stack:
        scene = stack.enter_context(domain.open(source))
        _check_scene(scene, restorer)
        writer = stack.enter_context(domain.create(source, plan))
        seen = _write(scene, writer, restorer, plan, source.path.name, log)
        if not seen:
            raise InputError(f"{source.path.name} has no valid pixel", "an image with valid pixels", "Look at its nodata value and mask.")
        verdict = _judge(domain, source, scene, writer, restorer, seen, log)
        files = writer.finish(verdict)
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


def _check_target(source: Source, target: Path, overwrite: bool) -> None:
    if target.resolve() == source.path.resolve():
        raise OutputError(f"output {target}", "a place that is not the input itself", "Give another --out.")
    if target.exists() and not overwrite:
        raise OutputError(f"output {target} exists", "a free place", "Give another --out, or --overwrite.")


def _check_scene(scene: Scene, restorer: Restorer) -> None:
    card = restorer.card
    if scene.unit != card.unit:
        raise UnitError(
            f"an image in {scene.unit}",
            f"{card.unit}, in which the model was trained",
            "Declare the file's scale and unit, or train on such files.",
        )
    if not card.descriptor.bandwise and scene.shape[0] != len(card.bands):
        raise ShapeError(
            f"an image of {scene.shape[0]} bands", f"the {len(card.bands)} bands {', '.join(card.bands)}", "Use a band-wise model."
        )


def _write(scene: Scene, writer: SceneWriter, restorer: Restorer, plan: OutputPlan, name: str, log: Log) -> list[Window]:
    """Fill the writer; give the LR windows that hold valid pixels."""
    total = scene.shape[1] * scene.shape[2]
    done, seen = 0, []
    log.progress(f"upscaling {name} (LR pixels)", 0, total)
    for window, around, lr in _read(scene, restorer):
        inner = window.inside(around)
        rows, cols = inner.slices()
        hr_rows, hr_cols = inner.scaled(restorer.scale).slices()
        if lr.mask.any():
            restored = restorer.restore(lr.pixels, lr.mask)
            mean, half = restored.sr, restored.half_width
            delivered = scene.encoding.decode(scene.encoding.encode(np.nan_to_num(mean)))
            mask = enlarge_mask(lr.mask, restorer.operator.scale)
            left = residual_of(restorer, lr, delivered, mask)[:, rows, cols] if plan.residual else None
            if lr.mask[rows, cols].any():
                seen.append(window)
        else:
            shape = (scene.shape[0], around.height * restorer.scale, around.width * restorer.scale)
            mean = half = np.full(shape, np.nan, np.float32)
            mask = np.zeros(shape[1:], bool)
            left = np.full((scene.shape[0], window.height, window.width), np.nan, np.float32) if plan.residual else None
        writer.write(
            window.scaled(restorer.scale),
            np.ascontiguousarray(mean[:, hr_rows, hr_cols]),
            np.ascontiguousarray(mask[hr_rows, hr_cols]),
            np.ascontiguousarray(half[:, hr_rows, hr_cols]) if plan.interval else None,
            left,
        )
        done += window.height * window.width
        log.progress(f"upscaling {name} (LR pixels)", done, total)
    return seen


def _read(scene: Scene, restorer: Restorer) -> Iterator[tuple[Window, Window, Raster]]:
    """Yield each window, the window with its margin, and the pixels of the latter."""
    _, height, width = scene.shape
    for window in windows(height, width, WINDOW if restorer.windowed else max(height, width)):
        around = window.grown(restorer.margin, height, width)
        yield window, around, scene.read(around)


def _judge(domain: Domain, source: Source, scene: Scene, writer: SceneWriter, restorer: Restorer, seen: list[Window], log: Log) -> Verdict:
    """Read the written file back, in windows spread over it, and hold it against the measurement."""
    from sr_core.bundle import software
    from sr_core.trust.verdict import judge

    _, height, width = scene.shape
    every = max(1, -(-len(seen) // CHECKED))
    chosen = seen[::every]
    results: list[tuple[CheckResult, ...]] = []
    for done, window in enumerate(chosen):
        log.progress("checking the written file", done, len(chosen))
        around = window.grown(restorer.margin, height, width)
        lr = scene.read(around)
        written = writer.reread(around.scaled(restorer.scale))
        evidence = evidence_of(
            restorer, lr, written.pixels, None, scene.encoding.step, mask_hr=written.mask,
            core=window.inside(around), where=window.scaled(restorer.scale),
            lossless=writer.lossless,
        )  # fmt: skip
        results.append(run_checks(domain, evidence))
    log.progress("checking the written file", len(chosen), len(chosen))
    interval = restorer.calibration is not None and restorer.calibration.multiplier is not None
    return judge(
        restorer.claim(domain.group_kind),
        worst_of(results),
        invisible_size_px=restorer.invisible_size_px,
        covered_share=1.0 if interval else 0.0,
        inputs=(source.sha256,),
        software=software(),
        time=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
