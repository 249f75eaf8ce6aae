"""Claims: the level is computed from the number of groups, and the text from the level. Nothing here takes a level.

References
----------
Wilks, S. S. (1941), tolerance limits from order statistics, doi:10.1214/aoms/1177731788.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from sr_core.errors import TrustError
from sr_core.records import Digest
from sr_core.trust.verdict import ONE_SCENE, Claim, Level

Rule = Literal["tolerance limit", "conformal", "maximum", "none"]
CONFORMAL_MIN = 9  # below it ceil((n + 1)(1 - delta)) > n for delta = 0.1: only the observed coverage can be told


def groups_needed(delta: float, gamma: float) -> int:
    """Give the smallest n with (1 - delta)^n <= gamma: the groups that a certified claim needs.

    Raises
    ------
    TrustError
        If delta or gamma is not between 0 and 1.

    Examples
    --------
    >>> groups_needed(0.10, 0.10)
    22
    """
    for name, value in (("delta", delta), ("gamma", gamma)):
        if not 0 < value < 1:
            raise TrustError(f"{name} = {value}", "a share between 0 and 1", "Change the calibration plan of the recipe.")
    n = max(1, math.floor(math.log(gamma) / math.log1p(-delta)) - 1)
    while (1 - delta) ** n > gamma * (1 + 1e-12):
        n += 1
    return n


def order_statistic(n: int, delta: float, gamma: float) -> tuple[int | None, Rule]:
    """Say which of n sorted group scores becomes the multiplier, and by which rule.

    Parameters
    ----------
    n : int
        Independent groups that were scored.
    delta, gamma : float
        1 - share of new groups that shall hold, 1 - confidence.

    Returns
    -------
    k : int or None
        1-based rank; None below two groups.
    rule : str
        "tolerance limit": smallest k with BetaCDF(1 - delta; k, n + 1 - k) <= gamma; "conformal": ceil((n + 1)(1 - delta)),
        valid on average over calibrations only; "maximum": the largest score, a record of what was seen.
    """
    if n < 2:
        return None, "none"
    if n >= groups_needed(delta, gamma):
        from scipy.special import betainc  # here, so that reading a stored claim costs no numerical import

        k = next(k for k in range(1, n + 1) if float(betainc(k, n + 1 - k, 1 - delta)) <= gamma * (1 + 1e-12))
        return k, "tolerance limit"
    k = math.ceil((n + 1) * (1 - delta) - 1e-9)
    if n >= CONFORMAL_MIN and k <= n:
        return k, "conformal"
    return n, "maximum"


def plural(kind: str) -> str:
    """Give the plural of a kind of group: its head noun takes the s.

    Examples
    --------
    >>> plural("place"), plural("block of one scene")
    ('places', 'blocks of one scene')
    """
    head, of, rest = kind.partition(" of ")
    return f"{head}s{of}{rest}"


def make_claim(
    *,
    coverages: Sequence[float],
    pixels: Sequence[int],
    alpha: float,
    delta: float,
    gamma: float,
    group_kind: str,
    one_group: bool,
    operator: Digest,
    operator_name: str,
    calibration: Digest,
    linear: bool = True,
    reason: str = "",
) -> Claim:
    """Compute the level of a claim and write its text.

    Parameters
    ----------
    coverages : share of each calibration group's pixels inside the interval, 0..1.
    pixels : number of those pixels, a group each.
    alpha, delta, gamma : 1 - share of pixels, 1 - share of groups, 1 - confidence.
    group_kind : "place", "patient", ...
    one_group : whether the groups are blocks of one scene. Then they are no sample of new scenes, and the level is at most empirical.
    operator, operator_name : digest of the degradation that was calibrated, and its name for people.
    calibration : digest of the calibration record.
    linear : whether that degradation is linear and known.
    reason : why the calibration does not hold for the image at hand ("" where it does); it lowers the level to none.

    Notes
    -----
    The empirical text says that the groups are too few. With as many blocks of one scene as a certified claim needs it
    would be false, and a higher level is not earned either: the claim is then none.
    """
    n, n_min = len(coverages), groups_needed(delta, gamma)
    kind = ONE_SCENE if one_group else group_kind
    level: Level = "certified" if n >= n_min else "empirical" if n >= 2 else "none"
    if not linear:
        reason = reason or "the degradation is not a known linear one"
    elif n == 0:
        reason = reason or "there is no calibration"
    elif n == 1:
        reason = reason or f"it was calibrated on one {kind} only, and at least two are needed"
    elif one_group and n >= n_min:
        reason = reason or f"{n} {plural(kind)} are not {n} independent {plural(group_kind)}"
    if reason:
        level = "none"
        text = _none_text(reason)
    elif level == "certified":
        text = (
            f"With {_percent(1 - gamma)} confidence, at least {_percent(1 - delta)} of new {plural(kind)} like the {n} {plural(kind)} "
            f"calibrated on have at least {_percent(1 - alpha)} of their pixels inside the interval, if the degradation is "
            f"'{operator_name}'. It says nothing about any single pixel, and less than that about the largest errors."
        )
    else:
        mean = sum(c * p for c, p in zip(coverages, pixels, strict=True)) / max(1, sum(pixels))
        text = (
            f"On {n} held-out {plural(kind)} the interval held {_percent(mean)} of the pixels (worst {kind}: {_percent(min(coverages))}). "
            f"{n} are too few ({n_min} needed) for a statement about new {plural(kind)}."
        )
    return Claim(
        level=level, text=text, alpha=alpha, delta=delta, gamma=gamma, n=n, n_min=n_min, group_kind=kind,
        operator=operator, calibration=calibration,
    )  # fmt: skip


def no_claim(reason: str, *, group_kind: str, operator: Digest, alpha: float = 0.10, delta: float = 0.10, gamma: float = 0.10) -> Claim:
    """Make the claim of an image that has no calibration at all; `reason` is a clause without a full stop."""
    return Claim(
        level="none", text=_none_text(reason), alpha=alpha, delta=delta, gamma=gamma, n=0, n_min=groups_needed(delta, gamma),
        group_kind=group_kind, operator=operator, calibration=None,
    )  # fmt: skip


def withdraw(claim: Claim, reason: str) -> Claim:
    """Lower a claim to none for one image, for a reason (a clause without a full stop)."""
    return claim.model_copy(update={"level": "none", "text": _none_text(reason)})


def _none_text(reason: str) -> str:
    return f"The interval is not calibrated for this image: {reason.rstrip('.')}. Do not use it as a bound."


def _percent(share: float) -> str:
    """Write a share as whole percent, rounded down: a text never promises more than was computed."""
    return f"{math.floor(share * 100 + 1e-9)}%"
