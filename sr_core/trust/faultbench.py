"""The fault bench: faults are planted in clean outputs, and each check is asked whether it sees them.

A check here gives a number, larger = worse, and its limit comes from clean outputs: the number is brought to a robust score, and one
threshold holds for the largest score of all checks together, so that many checks do not add up their false alarms. Each unit is judged
by limits from the *other* units, clean or with a fault in it.

References
----------
Vovk et al. (2005), Algorithmic Learning in a Random World (conformal quantiles); the joint score is the maximum statistic of Westfall
and Young (1993), Resampling-Based Multiple Testing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypedDict

import numpy as np

from sr_core.errors import TrustError
from sr_core.log import Log, Silent
from sr_core.records import Record
from sr_core.trust.faults import FAULTS, Delivered, Fault
from sr_core.trust.limits import RATE, Limits, Values, fit_limits

NEEDED = 3  # clean units, so that two are left to judge the third by
CAUGHT = 0.95  # share of units from which on a fault counts as caught
FLAGGED = 0.10  # share of clean units that may be flagged
SURE = 0.95  # of intervals of a share
WORK = "planting faults"

Measure = Callable[[Delivered], float | None]


class Rules(TypedDict, total=False):
    """What `fit_limits` takes beside clean units."""

    floors: Mapping[str, float]
    exact: Mapping[str, float]
    ceilings: Mapping[str, float]


Panel = Callable[[Delivered], Values]  # all checks at once


class BenchRow(Record):
    """One fault of one size: `units` it was planted in, shares of them `caught` by any check and `by_check` (None: it never ran).

    `first` is the check that led with its score in most of the units caught; "" where none was. `must_be_caught` is the star.
    """

    number: int
    fault: str
    where: str
    size: float
    size_unit: str
    must_be_caught: bool
    units: int
    caught: float
    first: str
    by_check: tuple[float | None, ...]


class NotPlanted(Record):
    """A fault that no unit could take, and why not."""

    number: int
    fault: str
    reason: str


class BenchTable(Record):
    """What the checks caught, and what they flagged without reason.

    Attributes
    ----------
    label : what the units are, in words.
    checks : names, in the order of `by_check`.
    limits : from all clean units: what a new image would be held against. Rows and false alarms were judged by the others' limits.
    clean_units, flagged : clean units, and names of those that a check flagged.
    false_alarms, false_alarms_by_check : shares of the clean units.
    rows, not_planted : faults by number and size.
    """

    label: str
    checks: tuple[str, ...]
    limits: Limits
    clean_units: int
    flagged: tuple[str, ...]
    false_alarms: float
    false_alarms_by_check: tuple[float | None, ...]
    rows: tuple[BenchRow, ...]
    not_planted: tuple[NotPlanted, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all that must be caught was, in 95 % of the units, and at most 10 % of the clean units were flagged."""
        return not self.missed() and self.false_alarms <= FLAGGED

    @property
    def false_alarm_interval(self) -> tuple[float, float]:
        """Give the 95 % interval of the share of false alarms (Clopper and Pearson 1934)."""
        from scipy.special import betaincinv

        n, k, tail = self.clean_units, len(self.flagged), (1 - SURE) / 2
        low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
        return low, float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0

    def missed(self, share: float = CAUGHT) -> tuple[BenchRow, ...]:
        """Give the rows that must be caught and were, in fewer units than a share."""
        return tuple(row for row in self.rows if row.must_be_caught and row.caught < share)

    def caught_from(self, fault: str, share: float = CAUGHT) -> float | None:
        """Give the smallest size from which on a fault was caught at all sizes tried; None where not even the largest was."""
        found = None
        for row in sorted((row for row in self.rows if row.fault == fault), key=lambda row: -row.size):
            if row.caught < share:
                break
            found = row.size
        return found


def run_bench(
    clean: Mapping[str, Delivered],
    look: Panel,
    *,
    label: str,
    faults: Sequence[Fault] = FAULTS,
    rate: float = RATE,
    rules: Rules | None = None,
    seed: int = 0,
    log: Log | None = None,
) -> BenchTable:
    """Plant every fault in every clean output, and see which checks catch it.

    Parameters
    ----------
    clean : delivered images by name, nothing wrong with them.
    look : gives the number of each check, larger = worse, or None where it cannot run; the same checks each time. NaN is always flagged.
    label : what the units are, in words.
    faults : to plant, at all their sizes.
    rate : see `fit_limits`.
    rules : `floors`, `exact` and `ceilings`, as `fit_limits` takes them.
    seed : decides places and noise; another unit gets others.
    log : is told how far the work is.

    Raises
    ------
    TrustError
        If there are fewer than three units or no check.
    """
    told = log or Silent()
    values = [look(delivered) for delivered in clean.values()]
    names = tuple(values[0]) if values else ()
    if len(clean) < NEEDED or not names:
        raise TrustError(f"{len(clean)} clean outputs and {len(names)} checks", f"at least {NEEDED} outputs and one check", "Give more.")
    fit = partial(fit_limits, rate=rate, **(rules or Rules()))
    others = [fit([*values[:n], *values[n + 1 :]]) for n in range(len(values))]  # one unit's limits: those of all the others
    false = [limits.fired(found) for limits, found in zip(others, values, strict=True)]
    rows: list[BenchRow] = []
    not_planted: list[NotPlanted] = []
    total, done = sum(len(fault.sizes) for fault in faults), 0
    for fault in faults:
        reasons = [fault.why_not(delivered) for delivered in clean.values()]
        if all(reasons):
            not_planted.append(NotPlanted(number=fault.number, fault=fault.name, reason=reasons[0]))
        for size in () if all(reasons) else fault.sizes:
            told.progress(WORK, done, total, fault.name)
            done += 1
            seen = [
                (limits, look(fault.plant(delivered, size, seed + n)))
                for n, (delivered, limits, reason) in enumerate(zip(clean.values(), others, reasons, strict=True))
                if not reason
            ]
            rows.append(_row(fault, size, names, [(limits.fired(found), found) for limits, found in seen]))
    told.progress(WORK, total, total)
    return BenchTable(
        label=label, checks=names, limits=fit(values), clean_units=len(values),
        flagged=tuple(name for name, fired in zip(clean, false, strict=True) if fired),
        false_alarms=float(np.mean([bool(fired) for fired in false])),
        false_alarms_by_check=_by_check(names, list(zip(false, values, strict=True))), rows=tuple(rows), not_planted=tuple(not_planted),
    )  # fmt: skip


def each(checks: Mapping[str, Measure]) -> Panel:
    """Make a panel of single measures."""
    return lambda delivered: {name: check(delivered) for name, check in checks.items()}


def _row(fault: Fault, size: float, names: tuple[str, ...], seen: Sequence[tuple[dict[str, float], Values]]) -> BenchRow:
    leaders = [max(fired, key=lambda check: fired[check]) for fired, _ in seen if fired]
    return BenchRow(
        number=fault.number, fault=fault.name, where=fault.where, size=size, size_unit=fault.unit,
        must_be_caught=fault.must_be_caught(size), units=len(seen), caught=len(leaders) / len(seen),
        first=max(names, key=leaders.count) if leaders else "", by_check=_by_check(names, seen),
    )  # fmt: skip


def _by_check(names: tuple[str, ...], seen: Sequence[tuple[dict[str, float], Values]]) -> tuple[float | None, ...]:
    """Give the share of units that each check flagged, of those in which it ran."""
    ran = {name: [name in fired for fired, values in seen if values[name] is not None] for name in names}
    return tuple(float(np.mean(flags)) if flags else None for flags in ran.values())
