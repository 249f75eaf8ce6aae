"""The table of a fault bench in words and as text."""

from __future__ import annotations

from collections.abc import Iterator

from sr_core.trust.faultbench import CAUGHT, FLAGGED, BenchRow, BenchTable
from sr_core.trust.faults import FAULTS

BY_NATURE = (
    "fine texture that the degradation removes: it can be made up, small and plausible, and the measurement is explained all the same",
    "objects smaller than a pixel of the measurement, as far as the model itself makes them: the projection leaves a part of them",
    "a degradation that is not the assumed one but stable: everything is held against the assumed one",
)  # what no check of a single image can see


def size_text(row: BenchRow) -> str:
    """Give a size with its unit; nothing where there is only one size."""
    unit = row.size_unit.removesuffix("s") if row.size == 1 else row.size_unit
    return f"{row.size:g} {unit}" if unit else ""


def summary(table: BenchTable) -> tuple[str, ...]:
    """Say what came out: what had to be caught, and false alarms."""
    starred, missed = [row for row in table.rows if row.must_be_caught], table.missed()
    low, high = table.false_alarm_interval
    kept = table.false_alarms <= FLAGGED
    return (
        f"{len(starred) - len(missed)} of {len(starred)} starred rows were caught in at least {CAUGHT:.0%} of the images.",
        *(f"Short: {row.fault} {size_text(row)}, caught in {row.caught:.0%}." for row in missed),
        f"Clean images flagged: {len(table.flagged)} of {table.clean_units} ({table.false_alarms:.0%}, 95 % interval {low:.0%} to "
        f"{high:.0%}); {'at' if kept else 'MORE than the allowed'} most {FLAGGED:.0%}{' is allowed' if kept else ''}.",
        f"Limits: {table.limits.describe()}.",
    )  # fmt: skip


def blind_spots(table: BenchTable) -> tuple[str, ...]:
    """Say which faults were not seen at the largest size that was tried, and which cannot be."""
    said = {fault.name: fault.sentence for fault in FAULTS}
    largest = {row.fault: row for row in table.rows}  # rows come with sizes rising
    unseen = [row for row in largest.values() if row.caught < CAUGHT]
    return (
        *(
            f"{said.get(row.fault, row.fault)} ({' '.join(filter(None, (row.fault, size_text(row))))}): caught in {row.caught:.0%}"
            for row in unseen
        ),
        *BY_NATURE,
    )


def curve(table: BenchTable) -> Iterator[tuple[BenchRow, float | None]]:
    """Give the last row of each fault, and the size from which on it was caught (None: not even the largest)."""
    for name in dict.fromkeys(row.fault for row in table.rows):
        yield [row for row in table.rows if row.fault == name][-1], table.caught_from(name)


def markdown(table: BenchTable) -> str:
    """Give the whole table, fault by check, as Markdown."""
    ran = [n for n, share in enumerate(table.false_alarms_by_check) if share is not None]
    checks = [table.checks[n] for n in ran]
    lines = [f"# Fault bench: {table.label}", "", *summary(table), "", "Shares of images in which a check flagged the fault.", ""]
    lines += [f"| # | fault | size | | any | {' | '.join(checks)} |", f"|---|---|---|---|---|{'---|' * len(checks)}"]
    clean = [table.false_alarms_by_check[n] for n in ran]
    lines.append(f"| 0 | clean | | | {_share(table.false_alarms)} | {' | '.join(map(_share, clean))} |")
    for row in table.rows:
        star = "*" if row.must_be_caught else ""
        cells = " | ".join(_share(row.by_check[n]) for n in ran)
        lines.append(f"| {row.number} | {row.fault} | {size_text(row)} | {star} | {_share(row.caught)} | {cells} |")
    lines += ["", "## Blind spots", "", *(f"- {spot}" for spot in blind_spots(table))]
    lines += [f"- not planted: {each.fault} ({each.reason})" for each in table.not_planted]
    return "\n".join(lines) + "\n"


def _share(share: float | None) -> str:
    return "" if share is None else "0" if share == 0 else "1" if share == 1 else f"{share:.2f}"[1:]
