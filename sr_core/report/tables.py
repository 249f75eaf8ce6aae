"""Records as rows of text: what the page's tables say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sr_core.report.charts import signed
from sr_core.report.pictures import number
from sr_core.trust.verdict import CheckResult, Status, worst

if TYPE_CHECKING:
    from sr_core.evaluation import Evaluation, Method, RegionScore

MOST_REASONS = 6


@dataclass(frozen=True)
class Score:
    """PSNR and SSIM of one method on one region (or their mean), as text, and whether they are the best of their column."""

    psnr: str
    ssim: str
    best_psnr: bool
    best_ssim: bool


@dataclass(frozen=True)
class MethodRow:
    """One line of the table of scores: the method, its mean, the mean energy in the highest octave, each region."""

    method: str
    mean: Score
    octave: str
    regions: tuple[Score, ...]


@dataclass(frozen=True)
class RegionRow:
    """One line of the consistency and interval tables, as text."""

    name: str
    lr_psnr: str
    bicubic_lr_psnr: str
    residual_rms: str
    residual_max: str
    coverage: str
    mean_width: str
    largest_held: str
    status: str


@dataclass(frozen=True)
class CheckRow:
    """The worst result of one check over all regions, as text."""

    name: str
    outcome: str
    value: str
    limit: str
    unit: str
    source: str
    bicubic: str
    sentence: str
    regions: str


@dataclass(frozen=True)
class Summary:
    """The verdict over all regions; `cautions` hold of every image of the model."""

    status: Status
    sentence: str
    reasons: tuple[str, ...]
    cautions: tuple[str, ...] = ()


def summary(evaluation: Evaluation) -> Summary:
    """Sum up the verdicts of all regions: the worst of them is the page's."""
    verdicts = [r.verdict for r in evaluation.regions]
    reasons: list[str] = []
    cautions = tuple(dict.fromkeys(caution for verdict in verdicts for caution in verdict.cautions))
    for region in evaluation.regions:
        for reason in region.verdict.reasons:
            if reason != evaluation.claim.text and reason not in cautions:  # those stand on the page already
                reasons.append(f"{region.region.name}: {reason}")
    rest = len(reasons) - MOST_REASONS
    shown = (*reasons[:MOST_REASONS], f"and {rest} more: see the table of checks") if rest > 0 else tuple(reasons)
    return Summary(evaluation.status, evaluation.verdict_sentence(), shown, cautions)


def method_rows(evaluation: Evaluation) -> tuple[MethodRow, ...]:
    """Give the table of scores; the best of each column is marked (no mark where all are equal)."""
    methods = evaluation.methods()
    columns = [{m: _figures(r, m) for m in methods} for r in evaluation.regions]
    means = {m: (evaluation.mean_psnr_db(m), evaluation.mean_ssim(m)) for m in methods}
    best = [_best(c) for c in (means, *columns)]

    def cell(values: tuple[float, float], top: tuple[float, float]) -> Score:
        return Score(decimals(values[0], 2), decimals(values[1], 4), values[0] == top[0], values[1] == top[1])

    return tuple(
        MethodRow(
            m, cell(means[m], best[0]), ratio(evaluation.mean_octave_energy(m)),
            tuple(cell(c[m], b) for c, b in zip(columns, best[1:], strict=True)),
        )
        for m in methods
    )  # fmt: skip


def gain_rows(evaluation: Evaluation) -> dict[str, list[float]]:
    """Give the model's gains in dB over each other method, a group (or a region) each."""
    return {m: list(evaluation.gain_db(m).values()) for m in evaluation.methods() if m != "model"}


def gain_sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """Say the paired gain over each method in words."""
    word = "region" if evaluation.one_group else evaluation.group_kind
    sentences = []
    for method, values in gain_rows(evaluation).items():
        mean = sum(values) / len(values)
        better = sum(v > 0 for v in values)
        ends = f" ({signed(min(values))} to {signed(max(values))})" if len(values) > 1 else ""
        plural = "" if len(values) == 1 else "s"
        sentences.append(f"Over {method}: {signed(mean)} dB on average{ends}, better on {better} of {len(values)} {word}{plural}.")
    return tuple(sentences)


def region_rows(evaluation: Evaluation) -> tuple[RegionRow, ...]:
    """Give consistency and interval figures, a region each."""
    return tuple(
        RegionRow(
            r.region.name, decimals(r.lr_psnr_db, 1), decimals(r.bicubic_lr_psnr_db, 1), number(r.residual_rms), number(r.residual_max),
            percent(r.coverage), number(r.mean_width), percent(r.largest_errors_held), r.verdict.status,
        )
        for r in evaluation.regions
    )  # fmt: skip


def check_rows(evaluation: Evaluation) -> tuple[CheckRow, ...]:
    """Give the worst result of each check and on how many regions it passed."""
    names: dict[str, list[CheckResult]] = {}
    for region in evaluation.regions:
        for check in region.verdict.checks:
            names.setdefault(check.name, []).append(check)
    return tuple(_check_row(results) for results in names.values())


def known_coverage(evaluation: Evaluation) -> tuple[float, ...]:
    """Give the coverage of the regions that have an interval."""
    return tuple(r.coverage for r in evaluation.regions if r.coverage is not None and not math.isnan(r.coverage))


def largest_errors_sentence(evaluation: Evaluation) -> str:
    """Say how many of the largest errors the interval held; this stands beside every claim."""
    known = [r.largest_errors_held for r in evaluation.regions if r.largest_errors_held is not None]
    held = [share for share in known if not math.isnan(share)]
    if not held:
        return ""
    return f"Of the 1 % largest errors on the test regions the interval held {percent(sum(held) / len(held))}: it does not cover them."


def decimals(value: float, digits: int) -> str:
    """Write a figure with a fixed number of decimals."""
    return f"{value:.{digits}f}".replace("-", "−") if math.isfinite(value) else number(value)


def ratio(value: float | None) -> str:
    """Write a ratio to the truth, two decimals; a dash for none."""
    return "–" if value is None else decimals(value, 2)


def percent(share: float | None) -> str:
    """Write a share in percent, one decimal; a dash for none."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def _figures(region: RegionScore, method: Method) -> tuple[float, float]:
    score = region.score(method)
    return (score.psnr_db, score.ssim) if score else (math.nan, math.nan)


def _best(column: dict[Method, tuple[float, float]]) -> tuple[float, float]:
    def top(values: list[float]) -> float:
        finite = [v for v in values if not math.isnan(v)]
        return max(finite) if finite and min(finite) < max(finite) else math.nan

    return top([v[0] for v in column.values()]), top([v[1] for v in column.values()])


def _limit_words(check: CheckResult) -> str:
    if check.threshold is None:
        return "–"
    words = f"{check.direction} {number(check.threshold)}"
    return words if check.fail_threshold is None else f"{words}; fails beyond {number(check.fail_threshold)}"


def _check_row(results: list[CheckResult]) -> CheckRow:
    shown = worst(results)
    ran = [r for r in results if r.outcome != "skipped"]
    passed = f"{sum(r.outcome == 'pass' for r in ran)} of {len(ran)}" if ran else "not run"
    unit = shown.unit
    return CheckRow(
        name=shown.name, outcome=shown.outcome, value="–" if shown.outcome == "skipped" else number(shown.value),
        limit=_limit_words(shown), unit=unit,
        source=shown.threshold_source if shown.threshold is not None else "", bicubic=number(shown.bicubic),
        sentence=shown.sentence, regions=passed,
    )  # fmt: skip
