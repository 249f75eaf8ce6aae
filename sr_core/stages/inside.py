"""Is an image of the kind that a model was calibrated for? What its files declare first, then statistics of it and of the raw output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sr_core.domain import Domain
from sr_core.log import Log
from sr_core.raster import Float32Array, Raster, Scene, Window, even_windows
from sr_core.records import Manifest, Region, Source
from sr_core.stages.evidence import residual_of
from sr_core.stages.regions import Pair, Read, enlarge_mask, read_pair, reader_of

if TYPE_CHECKING:
    from sr_core.stages.restore import Restorer
    from sr_core.trust.declared import Declared
    from sr_core.trust.domain_check import DomainFit
    from sr_core.trust.statistics import Figures, Gatherer
    from sr_core.trust.verdict import CheckResult

SIDE = 256  # LR px of a window, at most
FEWEST, WINDOWS = 4, 16  # that are looked at: 4 of any image that has them, 16 at most
SHARE = 4  # between these, one window in so many
READ = 64  # that are read, at most: most of a scene may be nodata
BANDS = 4  # that are looked at, where all are alike to the model
RAW_SIDE = 64  # LR px of a window that the network is run on
RAW_SHARE = 32  # the network is run on one pixel in so many, at most, but once
BORDER = 4  # LR px of such a window that are not looked at: it has no surroundings
GOLDEN = 0.6180339887498949
REASONS = 2  # named in a claim's text


@dataclass(frozen=True)
class Inside:
    """Whether an image is inside: checks, those reasons of the verdict that make it abstain, and the claim's reason ("": it is)."""

    checks: tuple[CheckResult, ...] = ()
    abstains: tuple[str, ...] = ()
    reason: str = ""


def look_inside(domain: Domain, source: Source, scene: Scene, restorer: Restorer) -> Inside:
    """Compare an image with those that a model was calibrated on, before it is upscaled.

    Nothing is compared without a calibration. What the calibration does not know is said and holds nothing back.

    Parameters
    ----------
    restorer : the model in the unit of the scene (`Restorer.for_scene`).

    Raises
    ------
    InputError
        If the image cannot be read.
    """
    from sr_core.trust.declared import check_facts, differences
    from sr_core.trust.domain_check import check_figures
    from sr_core.trust.statistics import Figures
    from sr_core.trust.verdict import said

    if restorer.calibration is None:
        return Inside()
    reference = restorer.calibration.reference
    declared, fit = (None, None) if reference is None else (reference.facts, reference.domain)
    facts = domain.facts(source) if declared is not None else ()
    by_fact = check_facts(declared, facts)
    few = _too_few(scene)
    figures = Figures() if fit is None else figures_of(scene.read, scene.shape, scene.encoding.step, restorer)
    joint, *single = check_figures(fit, figures)
    outside = () if declared is None else differences(declared, facts).outside
    reasons = [*outside[:REASONS], *([f"{len(outside) - REASONS} more facts differ"] if len(outside) > REASONS else [])]
    abstains = [said(by_fact)] if outside else []
    if fit is not None and fit.abstains and joint.outcome == "warn":
        reasons.append(joint.sentence.rstrip("."))
        abstains.append(said(joint))
    if few:
        reasons.append(few)
        abstains.append(f"valid values: {few}.")
    return Inside((by_fact, joint, *single), tuple(abstains), "; ".join(reasons))


def _too_few(scene: Scene) -> str:
    """Say that an image has some, but fewer valid values than any image that was calibrated on; "" where it has enough, or none at all.

    Windows are read until enough are found, so that all of an image is read only where hardly any of it is valid.
    """
    from sr_core.trust.scores import ENOUGH_VALUES

    values = 0
    for window in _spread(*scene.shape[1:]):
        values += scene.shape[0] * int(np.count_nonzero(scene.read(window).mask))
        if values >= ENOUGH_VALUES:
            return ""
    return f"only {values} of its values are valid, and {ENOUGH_VALUES} are needed" if values else ""


def figures_within(pair: Pair, restorer: Restorer) -> tuple[CheckResult, ...]:
    """Compare a test region's measurement with the calibration, as information: it is measured against its truth besides."""
    from sr_core.trust.domain_check import check_figures

    reference = None if restorer.calibration is None else restorer.calibration.reference
    if reference is None or reference.domain is None:
        return ()
    checks = check_figures(reference.domain, _figures(pair, restorer))
    said = {"threshold": None, "threshold_source": "information", "required": False}
    return tuple(check if check.outcome == "skipped" else check.model_copy(update={**said, "outcome": "pass"}) for check in checks)


class Fitted(NamedTuple):
    """What validation images look like (None: too few), and the calibration groups that do not."""

    fit: DomainFit | None
    left_out: frozenset[str]


def domain_of(domain: Domain, manifest: Manifest, restorer: Restorer, log: Log) -> Fitted:
    """Learn the statistics of validation regions, and hold the calibration's groups against them."""
    from sr_core.trust.domain_check import fit_domain
    from sr_core.trust.verdict import ONE_SCENE

    split = manifest.split
    regions = (*split.val, *split.calibration)
    independent = not any(region.one_group for region in regions)
    found: list[dict[str, list[Figures]]] = [{}, {}]
    for done, region in enumerate(regions):
        log.progress("measuring what images look like", done, len(regions))
        unit = region.group.id if independent else region.name
        figures = _figures(read_pair(domain, manifest, region, restorer.operator, restorer.card.noise), restorer)
        found[done >= len(split.val)].setdefault(unit, []).append(figures)
    log.progress("measuring what images look like", len(regions), len(regions))
    validated, calibrated = found
    kind = domain.group_kind if independent else ONE_SCENE
    fit = fit_domain(validated, calibrated, unit_kind=kind, independent=independent)
    out = () if fit is None else (unit for unit, images in calibrated.items() if not fit.holds(images))
    return Fitted(fit, frozenset(out))


def calibration_inside(regions: tuple[Region, ...], fitted: Fitted, log: Log) -> tuple[Region, ...]:
    """Leave out the groups from which an upscale would abstain: the claim is about new groups that it does not abstain from."""
    kept = tuple(region for region in regions if region.group.id not in fitted.left_out)
    if len(kept) < len(regions):
        log.say(f"calibrate: {len(fitted.left_out)} groups do not look like the validation images and are left out of the calibration")
    return kept


def declared_by(domain: Domain, manifest: Manifest, scale: int) -> Declared:
    """Collect what the files of the training, validation and calibration regions declare."""
    from sr_core.trust.declared import gather_facts

    split = manifest.split
    used = dict.fromkeys(region.source for region in (*split.train, *split.val, *split.calibration))
    return gather_facts((domain.facts(manifest.source(digest)) for digest in used), scale)


def figures_of(read: Read, shape: tuple[int, int, int], step: float, restorer: Restorer) -> Figures:
    """Measure an image in a quarter of its windows, 4 to 16, that are spread over it.

    Parameters
    ----------
    read : gives a window of the measurement.
    shape, step : (C, H, W) of the measurement, and its quantisation step (0: floating point).
    restorer : the model in the unit of the image. The network runs on a small part of it, of at most 64 x 64 px a window.
    """
    from sr_core.trust.statistics import LEAST_VALID, Gatherer

    card = restorer.card
    alike = card.descriptor.bandwise and restorer.operator.bands is None
    bands = np.unique(np.linspace(0, shape[0] - 1, min(BANDS, shape[0])).round().astype(int)) if alike else np.arange(shape[0])
    gatherer = Gatherer(step / card.std)
    places, seen = _spread(shape[1], shape[2]), 0
    wanted = int(np.clip(len(places) // SHARE, FEWEST, WINDOWS))
    runs = int(np.clip(shape[1] * shape[2] // (RAW_SIDE**2 * RAW_SHARE), 1, wanted))
    for window in places[:READ]:
        lr = _chosen(read(window), bands)
        if not lr.mask.any():
            continue
        filled = restorer.predictor.fill(lr.pixels, lr.mask)
        if not gatherer.see(_normalised(filled, restorer), lr.mask, window.row, window.col):
            continue
        middle = reader_of(lr)(_middle(*lr.mask.shape))
        if runs and middle.mask.mean() >= LEAST_VALID:
            _see_raw(gatherer, middle, restorer)
            runs -= 1
        seen += 1
        if seen == wanted:
            break
    return gatherer.figures()


def _figures(pair: Pair, restorer: Restorer) -> Figures:
    bands, height, width = pair.lr.pixels.shape
    return figures_of(reader_of(pair.lr), (bands, height, width), pair.encoding.step, restorer)


def _see_raw(gatherer: Gatherer, lr: Raster, restorer: Restorer) -> None:
    """Run the network on a window as on an image of its own and look at what it gives before it is projected."""
    filled = restorer.predictor.fill(lr.pixels, lr.mask)
    prediction = restorer.predictor.predict(filled)
    residual = residual_of(restorer.operator, lr, prediction.mean, enlarge_mask(lr.mask, restorer.operator.scale))
    height, width = lr.mask.shape
    cut = min(BORDER, height // 4, width // 4)
    inner = Window(cut, cut, height - 2 * cut, width - 2 * cut)
    coarse, fine = inner.slices(), inner.scaled(restorer.scale).slices()
    spread = restorer.spread_of(prediction.spread, prediction.mean, filled, restorer.operator)
    size = np.float32(restorer.card.std)
    gatherer.see_raw(residual[(slice(None), *coarse)] / size, spread[(slice(None), *fine)] / size, lr.mask[coarse])


def _spread(height: int, width: int) -> list[Window]:
    """Cut an image into windows of nearly one size, in an order in which the first ones are spread over all of it."""
    places = list(even_windows(Window(0, 0, height, width), SIDE, SIDE))
    return [places[n] for n in sorted(range(len(places)), key=lambda n: n * GOLDEN % 1)]


def _middle(height: int, width: int) -> Window:
    rows, cols = min(RAW_SIDE, height), min(RAW_SIDE, width)
    return Window((height - rows) // 2, (width - cols) // 2, rows, cols)


def _chosen(lr: Raster, bands: npt.NDArray[np.int64]) -> Raster:
    if len(bands) == len(lr.bands):
        return lr
    return Raster(lr.pixels[bands], lr.mask, tuple(lr.bands[n] for n in bands), lr.unit, lr.valid_range)


def _normalised(pixels: Float32Array, restorer: Restorer) -> Float32Array:
    card = restorer.card
    return (pixels - np.float32(card.mean)) / np.float32(card.std)
