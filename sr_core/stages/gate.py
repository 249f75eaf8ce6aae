"""Gate: whether a model is better than what anyone has without it, and whether it may become the champion."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from sr_core.domain import Domain
from sr_core.evaluation import BASELINES, PARENT, Evaluation, Method
from sr_core.log import Log
from sr_core.records import EvaluationRef, Record
from sr_core.stages.evaluate import load_evaluation
from sr_core.trust.claim import plural
from sr_core.trust.verdict import LEVELS, ONE_SCENE

CONFIDENCE = 0.90  # one-sided, of the paired gain
ENOUGH_GROUPS = 3
LEAST_GAIN_DB = 0.05  # every region, where there are too few groups to test


class Decision(Record):
    """What the gate decided: register the model at all, promote it to champion, and every reason in words."""

    register_it: bool
    promote: bool
    reasons: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class PairedGain:
    """The model's gain over one reference on the same regions.

    `lower_db` is the lower end of the one-sided 90 % t-interval of the mean; with fewer than three groups it is the worst
    region, and the gain is labelled "too few to test". `counted` is what the count counts, in words.
    """

    reference: Method
    mean_db: float
    lower_db: float
    count: int
    counted: str
    tested: bool

    @property
    def better(self) -> bool:
        """Whether the gain is beyond noise (or, untested, at least 0.05 dB in every region)."""
        return self.lower_db > 0 if self.tested else self.lower_db >= LEAST_GAIN_DB

    def sentence(self) -> str:
        """Say it."""
        how = (
            f"lower bound {self.lower_db:+.2f} dB at 90 % over {self.count} {self.counted}"
            if self.tested
            else f"worst {self.lower_db:+.2f} dB of {self.count} {self.counted}, too few to test"
        )
        return f"{self.mean_db:+.2f} dB over {self.reference} ({how})"


def paired_gain(evaluation: Evaluation, reference: Method) -> PairedGain:
    """Compare the model with a reference, group by group, on the same regions under the same protocol.

    Blocks of one group are not independent: however many there are, their gain is never called tested.
    """
    gains = list(evaluation.gain_db(reference).values())
    mean = statistics.fmean(gains)
    tested = len(gains) >= ENOUGH_GROUPS and not evaluation.one_group
    if tested:
        from scipy import stats

        lower = mean - float(stats.t.ppf(CONFIDENCE, len(gains) - 1)) * statistics.stdev(gains) / math.sqrt(len(gains))
    else:
        lower = math.nan if any(math.isnan(g) for g in gains) else min(gains)
    counted = ONE_SCENE if evaluation.one_group else evaluation.group_kind
    return PairedGain(reference, mean, lower, len(gains), plural(counted) if len(gains) > 1 else counted, tested)


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

    Registered: better than the baselines and than the parent of a warm start, no verdict failed, the claim strong enough. Promoted:
    besides, better than the champion, enough test groups, and a person's approval where the domain asks for it.

    Parameters
    ----------
    family : the network's family; a `linear` bundle is not compared with itself.
    approved_by : who approved a promotion, or None.
    champion_level : claim level of the present champion, or None where there is none.
    """
    content = load_evaluation(evaluation)
    references = [b for b in (*BASELINES, PARENT) if b in content.methods() and not (family == "linear" and b == "linear filter")]
    gains = [paired_gain(content, reference) for reference in references]
    against_register = [f"not better: {g.sentence()}" for g in gains if not g.better]
    failed = [r.region.name for r in content.regions if r.verdict.status == "fail"]
    if failed:
        against_register.append(f"the checks failed on {len(failed)} of {len(content.regions)} test regions")
    sensitivity = domain.sensitivity
    if LEVELS.index(content.claim.level) < LEVELS.index(sensitivity.minimum_level):
        against_register.append(f"the claim is '{content.claim.level}'; {domain.name} needs at least '{sensitivity.minimum_level}'")

    against_promote: list[str] = []
    if content.champion is not None:
        over = paired_gain(content, "champion")
        gains.append(over)
        if not over.better:
            against_promote.append(f"not better than the champion: {over.sentence()}")
    if champion_level and LEVELS.index(content.claim.level) < LEVELS.index(champion_level):
        against_promote.append(f"the claim '{content.claim.level}' is weaker than the champion's '{champion_level}'")
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
    reasons = (*against_register, *against_promote) or tuple(g.sentence() for g in gains)
    if promote:
        sentence = "Promoted: " + "; ".join(g.sentence() for g in gains) + "."
        if approved_by:
            sentence += f" Approved by {approved_by}."
    elif register:
        sentence = "Registered as challenger, not promoted: " + "; ".join(against_promote) + "."
    else:
        sentence = "Not registered, not promoted: " + "; ".join((*against_register, *against_promote)) + "."
    log.say(f"gate: {sentence}")
    return Decision(register_it=register, promote=promote, reasons=reasons, sentence=sentence)
