"""Evaluate: a calibrated bundle beside its baselines and the present champions, on the same test regions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sr_core.ancestry import check_apart
from sr_core.domain import Domain
from sr_core.evaluation import PARENT, RIVALS, Evaluation, Method, MethodScore, RegionScore
from sr_core.log import Log
from sr_core.raster import Float32Array, Raster
from sr_core.recipe import Recipe
from sr_core.records import CalibrationRef, Digest, EvaluationRef, Manifest, ManifestRef, Region
from sr_core.stages.evidence import evidence_of, plain_bicubic, protocol_of, reference_for, residual_of, run_checks
from sr_core.stages.hallucination import HallucinationMeter
from sr_core.stages.ingest import load_manifest
from sr_core.stages.inside import figures_within
from sr_core.stages.invention import PLANTED_REGIONS, invention_checks, invention_of
from sr_core.stages.precision import PrecisionMeter, format_to_choose, in_turn, save_gate
from sr_core.stages.regions import Pair, enlarge_mask, read_pair
from sr_core.trust.hallucination import spread_evenly
from sr_core.trust.held import Held, measure_held
from sr_core.trust.precision import Limits
from sr_core.workspace import Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.metrics.protocol import Protocol
    from sr_core.networks import SRNet
    from sr_core.stages.restore import Restored, Restorer
    from sr_core.trust.hallucination import Disagreement

VERSION = 4
EVALUATION = "evaluation.json"
PICTURES = "pictures"


def evaluate(
    domain: Domain,
    manifest: ManifestRef,
    calibrated: CalibrationRef,
    *,
    champion: Path | None,
    pixel_champion: Path | None = None,
    recipe: Recipe,
    workspace: Workspace,
    log: Log,
    parent: Path | None = None,
) -> EvaluationRef:
    """Degrade, predict and measure every test region as an image of its own.

    Parameters
    ----------
    champion : bundle folder of the present champion of the model's own name, measured on the same regions; None where there is none.
    pixel_champion : for a perceptual model, that of the champion for fidelity, beside which the gate judges it.
    parent : that of the model that training went on from.

    Returns
    -------
    EvaluationRef
        `evaluation.json`, `precision.json` where the device gains from a shortened number format, and, a region each, an archive of
        the images that the report shows.

    Raises
    ------
    TrustError
        If the model or a parent of it has learned from a test group.
    SplitError
        If a group or a place stands on two sides of the split: what calibrated would be tested.
    """
    from sr_core.bundle import Bundle, read_card
    from sr_core.stages.restore import Restorer

    content = load_manifest(manifest)
    content.split.check(content.gap)
    check_apart(read_card(calibrated.path).trained_on, content.split.test, "test")
    rivals: dict[Method, Restorer] = {}
    for name, place in zip(RIVALS, (champion, pixel_champion), strict=True):
        rival = Restorer(place) if place is not None else None
        if rival is not None and rival.scale != recipe.scale:
            log.say(f"evaluate: the {name} upscales x{rival.scale}, not x{recipe.scale}; it is not compared")
        elif rival is not None:
            rivals[name] = rival
    inputs = {
        "manifest": manifest.hash,
        "calibrated": calibrated.hash,
        "champion": _weights_of(rivals, "champion"),
        "pixel champion": _weights_of(rivals, "pixel champion"),
    }
    if (beaten := _calibration_of(rivals)) is not None:
        inputs["champion's calibration"] = beaten
    if parent is not None:
        inputs["parent"] = Bundle.load(parent).weights_hash

    def build(folder: Path) -> EvaluationRef:
        restorer = Restorer(calibrated.path)
        elder = None if parent is None else _elder(parent, restorer, log)
        beside = rivals if elder is None else {**rivals, PARENT: elder}
        result = _build(folder, domain, content, restorer, beside, log)
        (folder / EVALUATION).write_text(result.to_json())
        return EvaluationRef(path=folder, hash=folder_sha256(folder), made_from=(manifest.hash, calibrated.hash))

    return workspace.once("evaluate", VERSION, inputs, EvaluationRef, build, log)


def _elder(parent: Path, restorer: Restorer, log: Log) -> Restorer | None:
    """Give the parent as it reads the images of its child, where it can."""
    from sr_core.networks.transfer import comparable
    from sr_core.stages.restore import Restorer

    elder = Restorer(parent)
    if not comparable(elder.card.descriptor, restorer.scale, len(restorer.card.bands)):
        log.say(f"evaluate: the parent upscales x{elder.scale} or reads other bands; it is not compared")
        return None
    return elder.reading_as(restorer)


def load_evaluation(ref: EvaluationRef) -> Evaluation:
    """Read the evaluation of a result."""
    path = ref.path / EVALUATION
    return Evaluation.from_json(path.read_text(), str(path))


def _build(folder: Path, domain: Domain, manifest: Manifest, restorer: Restorer, rivals: Mapping[Method, Restorer], log: Log) -> Evaluation:
    regions = manifest.split.test
    card = restorer.card
    protocol = protocol_of(restorer)
    linear = _linear_filter(domain, manifest, restorer)
    formats = format_to_choose(restorer.device)
    meter = PrecisionMeter(restorer.bundle.folder, formats, restorer.device) if formats else None
    gated = in_turn(regions)
    planted = spread_evenly(list(regions), PLANTED_REGIONS)
    (folder / PICTURES).mkdir(exist_ok=True)
    scores: list[RegionScore] = []
    for done, region in enumerate(regions):
        log.progress("evaluating", done, len(regions))
        pair = read_pair(domain, manifest, region, restorer.operator, card.noise)
        measured = _Measured.of(pair, restorer, linear, rivals)
        scores.append(measured.score(domain, region, restorer, rivals, protocol, plant=region in planted))
        measured.save(folder / PICTURES / f"{region.name}.npz", restorer)
        if meter is not None and region in gated:
            meter.add(region, measured.pair, {restorer.precision: measured.restored.sr})
    log.progress("evaluating", len(regions), len(regions))
    notes = (*manifest.split.notes, *card.notes)
    if (runs := restorer.predictor.ensemble.runs) > 1:
        notes = (*notes, f"The model is run as a self-ensemble: the mean of {runs} runs on the image turned and mirrored.")
    if restorer.estimator != card.descriptor.estimator:
        notes = (*notes, f"How large errors are is said by the {restorer.estimator}, not by the network.")
    if meter is not None:
        gate = meter.gate("test", domain.group_kind, Limits())
        save_gate(folder, gate, log, "evaluate")
        if restorer.precision in gate.refused(restorer.bundle.weights_hash):  # calibration's own regions had allowed it
            notes = (*notes, f"{restorer.precision}, measured here, is refused: the model is run in float32, for which no interval holds.")
    return Evaluation(
        domain=domain.name,
        unit=card.unit,
        scale=restorer.scale,
        operator=restorer.operator.describe(),
        group_kind=domain.group_kind,
        one_group=any(r.one_group for r in regions),
        protocol=protocol,
        bundle=restorer.bundle.weights_hash,
        champion=_weights_of(rivals, "champion"),
        pixel_champion=_weights_of(rivals, "pixel champion"),
        purpose=card.recipe.purpose,
        perceptual=card.perceptual,
        claim=restorer.claim(domain.group_kind),
        champion_claim=rivals["champion"].claim(domain.group_kind) if "champion" in rivals else None,
        false_alarms=_false_alarms(restorer),
        notes=notes,
        regions=tuple(scores),
    )


def _weights_of(rivals: Mapping[Method, Restorer], name: Method) -> Digest | None:
    return rivals[name].bundle.weights_hash if name in rivals else None


def _calibration_of(rivals: Mapping[Method, Restorer]) -> Digest | None:
    """Give the digest of the calibration beside which widths are compared."""
    champion = rivals.get("champion")
    return None if champion is None or champion.calibration is None else champion.calibration.digest()


def _false_alarms(restorer: Restorer) -> float | None:
    """Give the share of clean images that the limits learned from validation images may flag."""
    reference = restorer.calibration.reference if restorer.calibration is not None else None
    return reference.limits.rate if reference is not None and reference.limits is not None else None


def _linear_filter(domain: Domain, manifest: Manifest, restorer: Restorer) -> SRNet:
    """Give a network whose base is the linear filter of the training regions: the bundle's own, unless that is its parent's."""
    import torch

    from sr_core.networks import build, fit, linear_descriptor

    net = restorer.bundle.net
    if net.filter is not None and not restorer.card.parents:
        return net
    taps = restorer.card.recipe.network.linear_taps
    noise = restorer.card.noise
    pairs = (read_pair(domain, manifest, region, restorer.operator, noise) for region in manifest.split.train)
    tensors = (
        (torch.from_numpy(p.lr.pixels), torch.from_numpy(p.hr.pixels), torch.from_numpy(p.lr.mask), torch.from_numpy(p.hr.mask))
        for p in pairs
    )
    linear = build(linear_descriptor(restorer.operator, taps))
    linear.set_filter(fit(tensors, restorer.operator, taps))
    return linear.to(restorer.device)


@dataclass(frozen=True)
class _Measured:
    """A test region with every method's image, as each would stand in a file."""

    pair: Pair
    images: dict[Method, Float32Array]
    restored: Restored
    champion_width: float | None
    theirs: Mapping[Method, Restored]

    @classmethod
    def of(cls, pair: Pair, restorer: Restorer, linear: SRNet, rivals: Mapping[Method, Restorer]) -> _Measured:
        from sr_core.trust.interval import mean_width

        restored = restorer.restore(pair.lr.pixels, pair.lr.mask)
        images: dict[Method, Float32Array] = {
            "bicubic": plain_bicubic(pair.lr, restorer.scale),
        }
        if restorer.operator.invertible:
            images["projected bicubic"] = restorer.project(images["bicubic"], pair.lr.pixels, pair.lr.mask)
        images["linear filter"] = restorer.base_of(linear, pair.lr.pixels, pair.lr.mask)
        images["model"] = restored.sr
        theirs = {name: rival.restore(pair.lr.pixels, pair.lr.mask) for name, rival in rivals.items()}
        images |= {name: made.sr for name, made in theirs.items()}
        written = {name: pair.encoding.decode(pair.encoding.encode(image)) for name, image in images.items()}
        width: float | None = None
        if (beaten := theirs.get("champion")) is not None and rivals["champion"].calibration is not None:
            width = mean_width(written["champion"], beaten.half_width, pair.hr.valid_range, pair.hr.mask)
        return cls(pair, written, restored, width, theirs)

    def score(
        self, domain: Domain, region: Region, restorer: Restorer, rivals: Mapping[Method, Restorer], protocol: Protocol, *, plant: bool
    ) -> RegionScore:
        from sr_core.bundle import software
        from sr_core.metrics import lr_psnr
        from sr_core.trust.checks import coverage_check
        from sr_core.trust.interval import coverage, covered_share, largest_errors_held, mean_width
        from sr_core.trust.verdict import judge

        hr, mask, delivered = self.pair.hr.pixels, self.pair.hr.mask, self.images["model"]
        half = None if restorer.calibration is None else self.restored.half_width
        evidence = evidence_of(restorer, self.pair.lr, delivered, half, self.pair.encoding.step, spread=self.restored.spread)
        held = None if half is None else coverage(hr, delivered, half, mask)
        largest = None if half is None else largest_errors_held(hr, delivered, half, mask)
        claim = restorer.claim(domain.group_kind)
        checks = run_checks(domain, evidence, reference_for(restorer))
        if held is not None:
            checks = (*checks, coverage_check(held, claim.alpha, largest_held=largest))
        guessed = HallucinationMeter(restorer, (hr.shape[1], hr.shape[2]))
        guessed.take(evidence)
        style, style_alpha = self._disagreement(rivals)
        invention = invention_of(restorer, self.pair, delivered, self.images["bicubic"], half, plant=plant, disagreement=style)
        checks = (*checks, *guessed.results(), *invention_checks(invention, guessed.limits, style_alpha))
        checks = (*checks, *figures_within(self.pair, restorer))
        verdict = judge(
            claim, checks, cautions=restorer.cautions, invisible_size_px=restorer.invisible_size_px,
            covered_share=covered_share(half, mask), software=software(),
        )  # fmt: skip
        return RegionScore(
            region=region,
            methods=tuple(_scored(name, image, self.pair.hr, protocol) for name, image in self.images.items()),
            coverage=held,
            mean_width=None if half is None else mean_width(delivered, half, self.pair.hr.valid_range, mask),
            largest_errors_held=largest,
            lr_psnr_db=lr_psnr(delivered, self.pair.lr.pixels, restorer.operator, protocol.data_range, self.pair.lr.mask),
            bicubic_lr_psnr_db=lr_psnr(
                self.images["bicubic"], self.pair.lr.pixels, restorer.operator, protocol.data_range, self.pair.lr.mask
            ),
            residual_rms=_rms(evidence.residual[:, self.pair.lr.mask]),
            residual_max=float(np.abs(evidence.residual[:, self.pair.lr.mask]).max()),
            verdict=verdict,
            held=self._held(restorer),
            champion_width=self.champion_width,
            invention=invention,
        )

    def _held(self, restorer: Restorer) -> Held | None:
        if restorer.calibration is None:
            return None
        error = np.abs(self.pair.hr.pixels - self.images["model"])
        return measure_held(error, self.restored.spread, self.pair.hr.mask, restorer.calibration)

    def _disagreement(self, rivals: Mapping[Method, Restorer]) -> tuple[Disagreement | None, float]:
        """Hold the model against the pixel champion's interval, where there is one; give that interval's alpha, too."""
        from sr_core.trust.hallucination import disagreement

        rival = rivals.get("pixel champion")
        if rival is None or rival.calibration is None:
            return None, math.nan
        half_width = self.theirs["pixel champion"].half_width
        images = self.images["model"], self.images["pixel champion"]
        return disagreement(*images, half_width, self.pair.hr.mask), rival.calibration.alpha

    def save(self, path: Path, restorer: Restorer) -> None:
        """Keep the images for the report: float32, physical unit."""
        from sr_core.trust.consistency import guess_map, no_split

        delivered = self.images["model"]
        mask_hr = enlarge_mask(self.pair.lr.mask, restorer.operator.scale)
        np.savez(
            path,
            lr=self.pair.lr.pixels,
            hr=self.pair.hr.pixels,
            mask=self.pair.hr.mask,
            bicubic=self.images["bicubic"],
            sr=delivered,
            half_width=self.restored.half_width,
            residual=residual_of(restorer.operator, self.pair.lr, delivered, mask_hr),
            guess=np.full_like(delivered, np.nan) if no_split(restorer.operator) else guess_map(delivered, restorer.operator, mask_hr),
        )


def _scored(method: Method, image: Float32Array, hr: Raster, protocol: Protocol) -> MethodScore:
    from sr_core.metrics import highest_octave, psnr, ssim

    octaves = highest_octave(image, hr.pixels, protocol, hr.mask)
    return MethodScore(
        method=method,
        psnr_db=psnr(image, hr.pixels, protocol, hr.mask),
        ssim=ssim(image, hr.pixels, protocol, hr.mask),
        octave_energy=statistics.fmean(octaves) if octaves else None,
    )


def _rms(values: Float32Array) -> float:
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))
