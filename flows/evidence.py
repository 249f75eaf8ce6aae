"""What a registry version carries of its evidence, as tags, and what may still hold a promotion back."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flows.registry import Gate, Registry, Version
from flows.result import Setting
from sr_core import __version__
from sr_core.domain import Domain
from sr_core.log import Silent
from sr_core.recipe import Purpose, Recipe, setting_names
from sr_core.records import BundleRef, EvaluationRef, ManifestRef
from sr_core.stages.calibrate import VERSION as CALIBRATE
from sr_core.stages.evaluate import VERSION as EVALUATE
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import Decision, gate
from sr_core.stages.prepare import VERSION as PREPARE
from sr_core.stages.train import VERSION as TRAIN
from sr_core.trust.verdict import MADE_UP, CheckResult

# Versions of what the stages promise: a changed stage makes earlier work new again.
CONTRACT = (f"prepare {PREPARE}", f"train {TRAIN}", f"calibrate {CALIBRATE}", f"evaluate {EVALUATE}")


def model_name(domain: Domain, recipe: Recipe) -> str:
    """Give the registry name: `sr-<domain>[-perceptual]`, with the scale where it is not the domain's own (each name has its champion).

    The recipe decides, before anything is trained; a run that ends as something else is not registered (`sr_core.stages.gate`).
    """
    return _named(domain, recipe.scale, recipe.purpose)


def pixel_name(domain: Domain, recipe: Recipe) -> str | None:
    """Give the name whose champion a perceptual model is judged beside: that for fidelity; None for a model for fidelity."""
    return _named(domain, recipe.scale, "fidelity") if recipe.purpose == "perceptual" else None


def _named(domain: Domain, scale: int, purpose: Purpose) -> str:
    name = f"sr-{domain.name}-perceptual" if purpose == "perceptual" else f"sr-{domain.name}"
    return name if scale == domain.recipe().scale else f"{name}-x{scale}"


def run_tags(recipe: Recipe, manifest: ManifestRef) -> Mapping[str, Setting]:
    """Give the parameters of a run: every setting by its dotted name, and what identifies the data."""
    values: dict[str, Setting] = {"manifest": manifest.hash, "recipe": recipe.digest(), "software": __version__}
    for name in setting_names():
        value: object = recipe
        for part in name.split("."):
            value = getattr(value, part, None)  # a dump would leave some defaults out
        values[name] = value if isinstance(value, str | int | float | bool) else str(value)
    return values


def hold_back(decision: Decision, registry: Registry, name: str, weights: str) -> Decision:
    """Keep a model that a person rolled back from being promoted again by a schedule."""
    back = registry.rolled_back(name, weights)
    if back is None or not decision.promote:
        return decision
    reason = f"version {back.number} with the same weights was rolled back by a person"
    return decision.model_copy(
        update={
            "promote": False,
            "reasons": (reason,),
            "sentence": f"Registered as challenger, not promoted: {reason}. Take it back with: sr models promote {name} {back.number}",
        }
    )


def version_tags(
    domain: Domain,
    evaluation: EvaluationRef,
    family: str,
    decision: Decision,
    packaged: BundleRef,
    *,
    work: str,
    manifest: str,
    champion: Version | None,
    pixel_champion: Version | None = None,
) -> dict[str, str]:
    """Give the tags of a version: what it is, what it was made from, and what the gate said beside which champions."""
    content = load_evaluation(evaluation)
    made_up = {"perceptual": MADE_UP, "pixel_champion_then": _number(pixel_champion)} if content.perceptual else {}
    return {
        "domain": domain.name,
        "scale": str(content.scale),
        "operator": content.operator,
        "family": family,
        "purpose": "perceptual" if content.perceptual else "fidelity",
        **made_up,
        "claim_level": content.claim.level,
        "claim": content.claim.text,
        "claim_groups": str(content.claim.n),
        "claim_groups_needed": str(content.claim.n_min),
        "group_kind": content.claim.group_kind,
        "calibration": content.claim.calibration or "none",
        "verdict": content.status,
        "verdict_sentence": content.verdict_sentence(),
        "worst_check": _said(content.worst_check()),
        "work": work,
        "manifest": manifest,
        "bundle": packaged.hash,
        "weights": packaged.weights,
        "evaluation": evaluation.hash,
        "software": __version__,
        "gate": gate_state(domain, evaluation, family, decision, champion),
        "gate_sentence": decision.sentence,
        "gate_reasons": json.dumps(decision.reasons),
        "champion_then": _number(champion),
    }


def _said(check: CheckResult | None) -> str:
    """Say what held back a pass most: the figure, its limit, and where that came from."""
    if check is None:
        return "none: every check passed"
    if check.value is None or check.threshold is None:
        return f"{check.name}: {check.outcome}"
    unit = f" {check.unit}" if check.unit else ""
    limit = f"limit {check.direction} {check.threshold:.4g}{unit} (from: {check.threshold_source})"
    return f"{check.name}: {check.outcome}, {check.value:.4g}{unit}, {limit}"


def _number(version: Version | None) -> str:
    return str(version.number) if version else "none"


def gate_state(domain: Domain, evaluation: EvaluationRef, family: str, decision: Decision, champion: Version | None) -> Gate:
    """Say whether a version may be promoted: at once, once a person approves, or not."""
    if decision.promote:
        return "passed"
    level = champion.tags.get("claim_level") if champion else None
    approved = gate(domain, evaluation, family=family, approved_by="a person", champion_level=level, log=Silent())
    return "waits for approval" if approved.promote else "refused"
