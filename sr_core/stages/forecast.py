"""What an upscale will take, said before it starts: time by a probe on this machine, memory by what is known to be held."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from sr_core.errors import InputError
from sr_core.inference.footprint import groups_of
from sr_core.inference.predictor import WHOLE
from sr_core.memory import give_back
from sr_core.raster import Raster, Window
from sr_core.records import Record
from sr_core.stages.bands import restore_bands
from sr_core.stages.evidence import evidence_of, run_checks
from sr_core.stages.footprint import band_work
from sr_core.stages.hallucination import HallucinationMeter
from sr_core.stages.overall import CHECKED

if TYPE_CHECKING:
    from sr_core.domain import Domain
    from sr_core.raster import Scene
    from sr_core.records import Source
    from sr_core.stages.restore import Restorer

PROBE_S = 2.0  # seconds that a probe may take
WARM_SIDE = 64  # LR pixels of the run that is thrown away: libraries are loaded and kernels built in it
NOMINAL = 2e10  # multiply-adds a second of a middling core; only decides whether an image is worth a probe
CHECKING_S = 1e-6  # seconds a LR value of a window that is checked, on a middling core
CHECK_SIDE = 192  # LR pixels of the window whose checks are timed


class Forecast(Record):
    """What upscaling one image will take.

    Attributes
    ----------
    lr, sr : (C, H, W) of the measurement and of the result.
    pixels : LR pixels times bands; bands : bands of rows; passes : runs of the network.
    executor : how the network runs: "whole", "rows", "strips" or "tiles".
    seconds, cpu_seconds : time from start to end, and of all cores; probed : whether a probe on this machine stands behind them.
    peak_bytes : memory of the process, at most.
    output_bytes, working_bytes : on disk, at most: finished files, and those that are gone at the end; free_bytes : on that disk now.
    """

    lr: tuple[int, int, int]
    sr: tuple[int, int, int]
    pixels: int
    bands: int
    passes: int
    executor: str
    seconds: float
    cpu_seconds: float
    probed: bool
    peak_bytes: int
    output_bytes: int
    working_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Pace:
    """Seconds (wall, CPU) a LR pixel of the network, and a LR value of a checked window; `probed` says whether they were measured."""

    network: tuple[float, float]
    checking: tuple[float, float]
    probed: bool


def multiply_adds(restorer: Restorer, source: Source) -> float:
    """Give the multiply-adds of an image: what decides whether a probe is worth its time."""
    return float(band_work(restorer, source).network_pixels) * restorer.predictor.net.macs_per_pixel


def nominal_pace(restorer: Restorer) -> Pace:
    """Give the pace of a middling core, without a probe."""
    second = restorer.predictor.net.macs_per_pixel / NOMINAL
    return Pace((second, second), (CHECKING_S, CHECKING_S), False)


def measure_pace(domain: Domain, scene: Scene, restorer: Restorer, budget_s: float = PROBE_S) -> Pace:
    """Restore and check a part of an image and time it; nothing is written.

    Parameters
    ----------
    scene : the image, open; a part in its middle is taken, of as many pixels as the budget allows: rows of its whole width where rows
        pass through the network, else at most one run of it.

    Notes
    -----
    The part is restored as an image of its own, projection, half-width and residual included. One band (or all, where the network sees
    them together) is taken, since others cost the same. First, small runs are thrown away: they load libraries and build kernels.
    """
    seen = 1 if restorer.card.descriptor.bandwise and restorer.operator.bands is None else scene.shape[0]
    groups = groups_of(restorer.predictor, seen)
    spent, pace = 0.0, (0.0, 0.0)
    for part in (_square(scene, WARM_SIDE), _square(scene, 2 * WARM_SIDE), None):
        wanted = int(max(budget_s - spent, 0.1) / max(pace[0], 1e-12))
        probe = Part(scene, part or _representative(scene, restorer, wanted // groups), seen)
        pixels = band_work(restorer, probe).network_pixels
        began = time.perf_counter(), time.process_time()
        for _ in restore_bands(restorer, probe, residual=True):
            pass
        took = time.perf_counter() - began[0], time.process_time() - began[1]
        spent += took[0]
        pace = took[0] / pixels, took[1] / pixels
    _checking_pace(domain, scene, restorer, WARM_SIDE)
    checking = _checking_pace(domain, scene, restorer, CHECK_SIDE)
    give_back()  # what the process holds from here on is its base
    return Pace(pace, checking, True)


def _checking_pace(domain: Domain, scene: Scene, restorer: Restorer, side: int) -> tuple[float, float]:
    """Time the checks of one window, of the plainly repeated measurement: the checks cost the same whatever they find."""
    raster = scene.read(_square(scene, side))
    if not raster.mask.any():
        return CHECKING_S, CHECKING_S
    delivered = raster.pixels.repeat(restorer.scale, axis=1).repeat(restorer.scale, axis=2)
    began = time.perf_counter(), time.process_time()
    evidence = evidence_of(restorer, raster, delivered, None, scene.encoding.step, spread=np.ones_like(delivered))
    run_checks(domain, evidence)
    HallucinationMeter(restorer, (0, 0), CHECKED).take(evidence)
    values = raster.pixels.size
    return (time.perf_counter() - began[0]) / values, (time.process_time() - began[1]) / values


def _square(scene: Scene, side: int) -> Window:
    """Give a square in the middle of an image."""
    return _centred(scene, min(side, *scene.shape[1:]), min(side, *scene.shape[1:]))


def _representative(scene: Scene, restorer: Restorer, pixels: int) -> Window:
    """Give a part of about so many LR pixels in the middle of an image, computed as the image is."""
    _, height, width = scene.shape
    predictor = restorer.predictor
    if predictor.executor(height, width) in ("rows", "strips"):
        rows = max(pixels // width, 2 * predictor.halo)  # lower, and the network's own borders would count
        return _centred(scene, min(height, rows), min(width, max(pixels // rows, WHOLE + 1)))
    side = predictor.tile or WHOLE
    most = min(height, side), min(width, side)
    share = min(1.0, (pixels / (most[0] * most[1])) ** 0.5)
    return _centred(scene, max(1, round(most[0] * share)), max(1, round(most[1] * share)))


def _centred(scene: Scene, rows: int, cols: int) -> Window:
    _, height, width = scene.shape
    return Window((height - rows) // 2, (width - cols) // 2, rows, cols)


class Part:
    """A window of the first bands of a scene, as a scene of its own, wholly measured: the time of a hole is not asked for."""

    def __init__(self, scene: Scene, window: Window, bands: int) -> None:
        self._scene, self._window = scene, window
        self.shape = bands, window.height, window.width
        self.bands, self.unit, self.encoding = scene.bands[:bands], scene.unit, scene.encoding

    def read(self, window: Window) -> Raster:
        """Read a window, its holes as zeros."""
        place = Window(self._window.row + window.row, self._window.col + window.col, window.height, window.width)
        raster, bands = self._scene.read(place), len(self.bands)
        pixels = np.nan_to_num(raster.pixels[:bands])
        return Raster(pixels, np.ones_like(raster.mask), self.bands, raster.unit, raster.valid_range)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is opened."""


def forecast(
    domain: Domain,
    source: Source,
    restorer: Restorer,
    target: Path,
    pace: Pace,
    *,
    interval: bool = True,
    residual: bool = False,
    base_bytes: int | None = None,
) -> Forecast:
    """Say what upscaling an image will take.

    Parameters
    ----------
    target : where the result goes; its disk is looked at.
    pace : measured on an image of this batch, or nominal.
    interval, residual : which companions are written.
    base_bytes : memory that the process holds before the start; None: what it holds now.
    """
    channels, height, width = source.shape
    scale = restorer.scale
    work = band_work(restorer, source)
    claimed = interval and restorer.calibration is not None
    held = domain.footprint(source, scale, claimed, residual)
    base = resident_bytes() if base_bytes is None else base_bytes
    seconds, cpu = (work.network_pixels * pace.network[clock] + work.checked_values * pace.checking[clock] + held.cpu_s for clock in (0, 1))
    return Forecast(
        lr=source.shape,
        sr=(channels, scale * height, scale * width),
        pixels=channels * height * width,
        bands=work.bands,
        passes=work.passes,
        executor=work.executor,
        seconds=seconds,
        cpu_seconds=cpu,
        probed=pace.probed,
        peak_bytes=base + max(held.memory + max(work.peak_bytes, work.checking_bytes), held.finishing),
        output_bytes=held.output,
        working_bytes=held.working + work.scratch_bytes,
        free_bytes=free_bytes(target),
    )


def resident_bytes() -> int:
    """Give the memory that this process holds now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # another system: what it held at most so far
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def free_bytes(target: Path) -> int:
    """Give the free bytes of the disk on which `target` will lie, which need not exist yet.

    Raises
    ------
    InputError
        If no folder around it can be looked at.
    """
    for folder in target.absolute().parents:
        if folder.is_dir():
            try:
                return shutil.disk_usage(folder).free
            except OSError as error:
                raise InputError(f"output {target} ({error.strerror})", "a place on a disk", "Give another --out.") from error
    raise InputError(f"output {target}", "a place on a disk", "Give another --out.")
