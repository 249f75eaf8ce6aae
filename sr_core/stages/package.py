"""Package: everything known of a model in one folder: the bundle, its calibration, its evaluation, the card, the report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sr_core.evaluation import Evaluation
from sr_core.log import Log
from sr_core.records import BundleRef, CalibrationRef, EvaluationRef
from sr_core.stages.evaluate import EVALUATION, PICTURES, load_evaluation
from sr_core.stages.gate import Decision
from sr_core.trust.precision import PRECISION, PrecisionGate, load_gate
from sr_core.trust.verdict import MADE_UP
from sr_core.workspace import RECORD, Workspace, folder_sha256

if TYPE_CHECKING:
    from sr_core.bundle import Bundle, BundleCard
    from sr_core.report.content import RegionPictures
    from sr_core.trust.calibration import Calibration

VERSION = 6
CARD = "card.md"
REPORT = "report.html"
DECISION = "decision.json"


def package(calibrated: CalibrationRef, evaluation: EvaluationRef, decision: Decision, *, workspace: Workspace, log: Log) -> BundleRef:
    """Assemble the folder that is registered and shipped.

    Returns
    -------
    BundleRef
        The bundle with `evaluation.json`, `precision.json` where one was measured, `decision.json`, `card.md` and the self-contained
        `report.html`.
    """
    inputs = {"calibrated": calibrated.hash, "evaluation": evaluation.hash, "decision": decision.digest()}

    def build(folder: Path) -> BundleRef:
        return _build(folder, calibrated, evaluation, decision)

    return workspace.once("package", VERSION, inputs, BundleRef, build, log)


def _build(folder: Path, calibrated: CalibrationRef, evaluation: EvaluationRef, decision: Decision) -> BundleRef:
    from sr_core.bundle import Bundle
    from sr_core.report.content import ReportContent
    from sr_core.report.html import build_report

    shutil.copytree(calibrated.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
    content = load_evaluation(evaluation)
    bundle = Bundle.load(folder)
    gate = load_gate(evaluation.path)
    if gate is not None:  # on the test regions: in place of what calibration measured on others
        (folder / PRECISION).write_text(gate.to_json())
    (folder / EVALUATION).write_text(content.to_json())
    (folder / DECISION).write_text(decision.to_json())
    (folder / CARD).write_text(card_text(bundle.card, content, decision, gate))
    build_report(
        folder / REPORT,
        ReportContent(
            title=f"Super-resolution ×{content.scale}: {content.domain}",
            evaluation=content,
            card=bundle.card,
            curve=bundle.curve(),
            decision_sentence=decision.sentence,
            decision_reasons=decision.reasons,
            regions=_pictures(evaluation, content),
            provenance=(
                ("model weights", bundle.weights_hash),
                ("training data", bundle.card.data),
                ("evaluation", evaluation.hash),
                ("calibrated bundle", calibrated.hash),
                ("seed", str(bundle.card.recipe.seed)),
                ("software", bundle.card.software),
            ),
            notes=content.notes,
            calibration=_calibration(bundle, content),
        ),
    )
    return BundleRef(
        path=folder,
        hash=folder_sha256(folder),
        made_from=(calibrated.hash, evaluation.hash),
        family=bundle.card.descriptor.family,
        weights=bundle.weights_hash,
    )


def _calibration(bundle: Bundle, content: Evaluation) -> Calibration | None:
    """Give the calibration behind the evaluation's claim; none where the model, as it was run, has another or none."""
    from sr_core.trust.calibration import Calibration

    if bundle.calibration_text is None:
        return None
    own = Calibration.from_json(bundle.calibration_text, str(bundle.folder / "calibration.json"))
    return own if own.digest() == content.claim.calibration else None


def _pictures(ref: EvaluationRef, evaluation: Evaluation) -> tuple[RegionPictures, ...]:
    import numpy as np

    from sr_core.report.content import RegionPictures

    pictures = []
    for score in evaluation.regions:
        with np.load(ref.path / PICTURES / f"{score.region.name}.npz") as images:
            half_width = images["half_width"]
            pictures.append(
                RegionPictures(
                    name=score.region.name,
                    lr=images["lr"],
                    bicubic=images["bicubic"],
                    sr=images["sr"],
                    hr=images["hr"],
                    half_width=None if np.isnan(half_width).all() else half_width,
                    residual=images["residual"],
                    guess=images["guess"],
                    mask=images["mask"],
                )
            )
    return tuple(pictures)


def card_text(card: BundleCard, evaluation: Evaluation, decision: Decision, gate: PrecisionGate | None = None) -> str:
    """Write the model card (Markdown): what it is, what it was measured at, what may be claimed, what it must not be used for."""
    from sr_core.report.invention import invention_sentences
    from sr_core.report.tables import largest_errors_sentence, ratio

    rows = "\n".join(
        f"| {m} | {evaluation.mean_psnr_db(m):.2f} | {evaluation.mean_ssim(m):.4f} | {ratio(evaluation.mean_octave_energy(m))} |"
        for m in evaluation.methods()
    )
    groups = "one group" if evaluation.one_group else f"{len({r.region.group for r in evaluation.regions})} {evaluation.group_kind}s"
    notes = "\n".join(f"- {note}" for note in evaluation.notes) or "- none"
    credits_ = "\n".join(f"- {credit}" for credit in card.credits) or "- none stated"
    largest = largest_errors_sentence(evaluation)
    cautions = f"\n\n{MADE_UP}" if card.perceptual else ""
    formats = " ".join(gate.says()) if gate is not None else "No other number format than float32 was measured."
    invented = "\n\n" + " ".join(said) if (said := invention_sentences(evaluation)) else ""
    d = card.descriptor
    noise = f" White noise of {card.noise:g} {card.unit} on the measurement." if card.noise else ""
    return f"""# {evaluation.domain}, x{evaluation.scale}: {d.family}

{decision.sentence}

- Degradation: {evaluation.operator}{noise}
- Purpose: {"texture that looks right, at the cost of PSNR (perceptual)" if card.perceptual else "fidelity"}
- Network: {d.describe()}, {"band-wise" if d.bandwise else "joint bands"}, over {d.base} base
- How large errors are is said by: {d.estimator or "nothing in the network"}
- Trained on: {card.data_summary} (store {card.data[:12]}), unit {card.unit}
- Weights: {card.weights}
- Software: {card.software}

## Measured

{len(evaluation.regions)} test regions of {groups}; {evaluation.protocol.describe()}.

| method | PSNR, dB | SSIM | energy in the highest octave |
|---|---|---|---|
{rows}

{formats}{invented}

## What may be claimed

{" ".join(filter(None, (evaluation.claim.text, largest)))}{cautions}

## Notes

{notes}

## Licence and credits

Licence: {card.licence}

{credits_}
"""
