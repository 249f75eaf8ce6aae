"""Is a new image of the declared kind? What its files say of themselves, held against what those of the calibration said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sr_core.records import Fact, Record
from sr_core.trust.verdict import CheckResult, skipped

NAME = "number of declared facts that were not calibrated"
CLOSE = 0.05  # numbers agree that differ by no more than this share


class SeenFact(Record):
    """What files declared under one name: the different values, and how many files declared any."""

    name: str
    unit: str
    values: tuple[str | float, ...]
    files: int


class Declared(Record):
    """What the files behind a calibration declare.

    Attributes
    ----------
    files : how many there are.
    seen : one entry a name.
    """

    files: int
    seen: tuple[SeenFact, ...]


class Differences(NamedTuple):
    """What a new file declares that none did, and what all others declared that it does not; clauses without a full stop."""

    outside: tuple[str, ...]
    missing: tuple[str, ...]


def gather_facts(files: Iterable[Sequence[Fact]], scale: int) -> Declared:
    """Collect what files declare.

    Parameters
    ----------
    files : the facts of each file.
    scale : what the images were degraded by: a pixel size counts as seen on both grids, that of the file and that of its measurement.
    """
    count = 0
    units: dict[str, str] = {}
    values: dict[str, dict[str | float, None]] = {}
    declaring: dict[str, int] = {}
    for facts in files:
        count += 1
        for name in {fact.name for fact in facts}:
            declaring[name] = declaring.get(name, 0) + 1
        for fact in facts:
            units.setdefault(fact.name, fact.unit)
            sizes = (1, scale) if fact.sampled else (1,)
            found = [fact.value * size if isinstance(fact.value, float) else fact.value for size in sizes]
            values.setdefault(fact.name, {}).update(dict.fromkeys(found))
    return Declared(
        files=count,
        seen=tuple(
            SeenFact(name=name, unit=units[name], values=tuple(sorted(values[name], key=_order)), files=declaring[name])
            for name in sorted(values)
        ),
    )


def differences(declared: Declared, facts: Sequence[Fact]) -> Differences:
    """Compare what one file declares with the set.

    A text must have been seen as it is, a number within 5 %. Facts that no file of the set declared are not judged; nor are those that
    only some of them did, where the new one does not.
    """
    seen = {fact.name: fact for fact in declared.seen}
    outside = [
        f"the {fact.name} is {_says(fact.value, fact.unit)}, and {_calibrated(seen[fact.name])}"
        for fact in facts
        if fact.name in seen and not any(_agree(fact, seen[fact.name].unit, value) for value in seen[fact.name].values)
    ]
    there = {fact.name for fact in facts}
    missing = [
        f"it does not declare its {fact.name}, which all {declared.files} calibrated files do ({_list(fact)})"
        for fact in declared.seen
        if fact.files == declared.files and fact.name not in there
    ]
    return Differences(tuple(dict.fromkeys(outside)), tuple(missing))


def check_facts(declared: Declared | None, facts: Sequence[Fact]) -> CheckResult:
    """Give the comparison as a check: the number of facts that were not calibrated, of which there must be none.

    Without a set nothing can be compared, which holds no verdict back. A file that declares less than all calibrated ones is warned of.
    """
    if declared is None:
        return skipped(NAME, "the calibration does not say what its files declared.", required=False)
    outside, missing = differences(declared, facts)
    count = len(outside)
    sentence = "; ".join((*outside, *missing)) if outside or missing else "what the file declares was calibrated"
    return CheckResult(
        name=NAME, value=float(count), unit="", threshold=0.0, direction="at most", severity="warn", sentence=f"{sentence}.",
        threshold_source=f"exact: the files of training, validation and calibration ({declared.files})",
        outcome="warn" if outside or missing else "pass",
    )  # fmt: skip


def _agree(fact: Fact, unit: str, value: str | float) -> bool:
    if fact.unit != unit or isinstance(fact.value, str) or isinstance(value, str):
        return fact.unit == unit and fact.value == value
    return abs(fact.value - value) <= CLOSE * abs(value)


def _says(value: str | float, unit: str) -> str:
    text = value if isinstance(value, str) else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def _list(fact: SeenFact) -> str:
    return " or ".join(_says(value, fact.unit) for value in fact.values)


def _calibrated(fact: SeenFact) -> str:
    return f"{_list(fact)} {'was' if len(fact.values) == 1 else 'were'} calibrated"


def _order(value: str | float) -> tuple[bool, float, str]:
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")
