"""Gate: whether a model is better than what anyone has without it, and whether it may become the champion.

A model for fidelity is judged by PSNR, a perceptual one by what it is for: texture, at a bounded loss of PSNR.
"""

from __future__ import annotations

from dataclasses import dataclass

from sr_core.domain import Domain
from sr_core.evaluation import BASELINES, PARENT, Evaluation, Method
from sr_core.log import Log
from sr_core.records import EvaluationRef, Record
from sr_core.stages.credible import failing, wider
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.paired import paired_gain, paired_octave_gain
from sr_core.trust.claim import plural
from sr_core.trust.verdict import LEVELS

MOST_LOSS_DB = 2.0  # of PSNR, that a perceptual model may lose to the champion for fidelity


class Decision(Record):
    """What the gate decided: register the model at all, promote it to champion, and every reason in words."""

    register_it: bool
    promote: bool
    reasons: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class _Judged:
    """What speaks against registering a model, what against promoting it, and what was found of it, in words."""

    against_register: tuple[str, ...]
    against_promote: tuple[str, ...]
    found: tuple[str, ...]


def gate(
    domain: Domain,
    evaluation: EvaluationRef,
    *,
    family: str,
    approved_by: str | None,
    champion_level: str | None,
    log: Log,
) -> Decision:
    """Decide from an evaluation.

    Registered: no more verdicts failed than the stated rate of false alarms explains, the claim strong enough, and: for fidelity, PSNR
    better than the baselines', and no worse than that of the parent of a warm start; perceptual, the energy in the highest octave of
    frequency nearer to the truth's than that of the champion for fidelity, at a loss of at most 2 dB. (Where there is no such champion, the
    fitted linear filter stands in.) A run for a perceptual model that ended as another is not registered. Promoted: besides, better than
    the champion of its own name in the same figure, with a claim that is no weaker and, where it is the same, an interval not wider by more
    than 10 %, enough test groups, and a person's approval where the domain asks for it.

    Parameters
    ----------
    family : the network's family; a `linear` bundle is not compared with itself.
    approved_by : who approved a promotion, or None.
    champion_level : claim level of the present champion, or None where there is none.
    """
    content = load_evaluation(evaluation)
    if content.purpose == "fidelity":
        judged = _fidelity(content, family)
    elif content.perceptual:
        judged = _perceptual(content)
    else:
        judged = _Judged((_other(family),), (), ())
    checked = failing(content)
    against_register = [*judged.against_register, *checked.against]
    sensitivity = domain.sensitivity
    if LEVELS.index(content.claim.level) < LEVELS.index(sensitivity.minimum_level):
        against_register.append(f"the claim is '{content.claim.level}'; {domain.name} needs at least '{sensitivity.minimum_level}'")

    against_promote = list(judged.against_promote)
    if champion_level and LEVELS.index(content.claim.level) < LEVELS.index(champion_level):
        against_promote.append(f"the claim '{content.claim.level}' is weaker than the champion's '{champion_level}'")
    against_promote += wider(content)
    groups = 1 if content.one_group else len({r.region.group for r in content.regions})
    if groups < sensitivity.minimum_test_groups:
        against_promote.append(
            f"too few groups: {groups} test {plural(content.group_kind) if groups > 1 else content.group_kind}, "
            f"{sensitivity.minimum_test_groups} needed"
        )
    if sensitivity.needs_approval and not approved_by:
        against_promote.append(f"a person must approve: {sensitivity.approver}")

    register = not against_register
    promote = register and not against_promote
    found = (*judged.found, *checked.found)
    reasons = (*against_register, *against_promote) or found
    if promote:
        sentence = "Promoted: " + "; ".join(found) + "."
        if approved_by:
            sentence += f" Approved by {approved_by}."
    elif register:
        sentence = "Registered as challenger, not promoted: " + "; ".join(against_promote) + "."
    else:
        sentence = "Not registered, not promoted: " + "; ".join((*against_register, *against_promote)) + "."
    log.say(f"gate: {sentence}")
    return Decision(register_it=register, promote=promote, reasons=reasons, sentence=sentence)


def _fidelity(content: Evaluation, family: str) -> _Judged:
    """Judge a model by its PSNR."""
    references = [b for b in BASELINES if b in content.methods() and not (family == "linear" and b == "linear filter")]
    gains = [paired_gain(content, reference) for reference in references]
    against_register = tuple(f"not better: {g.sentence()}" for g in gains if not g.better)
    if PARENT in content.methods():
        over_parent = paired_gain(content, PARENT)
        gains.append(over_parent)
        if not over_parent.no_worse:
            against_register += (f"worse than its parent: {over_parent.sentence()}",)
    against_promote: tuple[str, ...] = ()
    if content.champion is not None:
        over = paired_gain(content, "champion")
        gains.append(over)
        if not over.better:
            against_promote = (f"not better than the champion: {over.sentence()}",)
    return _Judged(against_register, against_promote, tuple(g.sentence() for g in gains))


def _perceptual(content: Evaluation) -> _Judged:
    """Judge a model by its texture, and by what that costs."""
    partner: Method = "pixel champion" if content.pixel_champion is not None else "linear filter"
    against_register, found = _texture_over(content, partner)
    against_promote: list[str] = []
    if content.champion is not None:
        against, over = _texture_over(content, "champion")
        against_promote += [f"not better than the champion: {reason}" for reason in against]
        found += over
    return _Judged(tuple(against_register), tuple(against_promote), tuple(found))


def _texture_over(content: Evaluation, reference: Method) -> tuple[list[str], list[str]]:
    """Compare with a reference; give what falls short, and all that was found."""
    named = "the linear filter (there is no pixel champion to compare with)" if reference == "linear filter" else f"the {reference}"
    nearer, gain = paired_octave_gain(content, reference), paired_gain(content, reference)
    made, other = (content.mean_octave_energy(method) for method in ("model", reference))
    if nearer is None or made is None or other is None:
        texture = f"the energy in the highest octave cannot be measured beside {named} on the test regions"
    else:
        texture = (
            f"the energy in the highest octave is {made:.2f} of the truth's, {other:.2f} with {named}: "
            f"nearer to 1 by {nearer.mean:+.2f} in |ln ratio| ({nearer.how()})"
        )
    loss = f"PSNR {gain.mean:+.2f} dB beside {named}, of which at most {MOST_LOSS_DB:g} dB may be lost"
    enough = nearer is not None and nearer.better
    bounded = -gain.mean <= MOST_LOSS_DB  # NaN never is
    against = [*([] if enough else [f"not enough texture: {texture}"]), *([] if bounded else [f"too much lost: {loss}"])]
    return against, [texture, loss]


def _other(family: str) -> str:
    """Say that a run for a perceptual model ended as another."""
    what = "the fitted linear filter" if family == "linear" else "the network of the pixel phase"
    return f"the run ended as {what}, which is no perceptual model (the notes say why); purpose=fidelity has it judged for what it is"
