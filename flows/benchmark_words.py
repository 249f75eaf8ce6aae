"""Benchmark figures as tables: for a terminal, as Markdown, and as what `--json` prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sr_core.stages.benchmark import means

if TYPE_CHECKING:
    from sr_core.metrics.published import Published
    from sr_core.stages.benchmark import MethodScores, SetScores

DIGITS = {"SSIM": 4, "MS-SSIM": 4}
FIELDS = {"PSNR": "psnr_db", "SSIM": "ssim", "IFC": "ifc", "NQM": "nqm_db", "WPSNR": "wpsnr_db", "MS-SSIM": "msssim"}
Row = tuple[str, ...]


def heading(place: SetScores) -> Row:
    """Give the heading of a set's table."""
    table = place.scores[0].table
    units = {cell.column: cell.unit for cell in table.cells}
    return ("method", *(f"{column}, {units[column]}" if units[column] else column for column in table.columns), "pictures")


def rows(place: SetScores) -> list[Row]:
    """Give a set's means: our methods first, then the printed ones with their source."""
    return [*_ours(place), *(_printed(row, place) for row in place.published)]


def remarks(place: SetScores) -> list[str]:
    """Give what must be known of a set's figures, a sentence or clause each."""
    said = [f"protocol: {place.protocol}", *(f"{scores.method}: {scores.says}" for scores in place.scores)]
    said += [f"left out: {refusal.says()}" for refusal in place.refusals]
    said += [f"{scores.method}: {count} without error left out of the mean of PSNR" for scores in place.scores if (count := _equal(scores))]
    said += [f"{row.method} (printed): {row.note}" for row in place.published if row.note and not row.ifc]
    return [*said, *place.notes]


def by_picture(place: SetScores) -> tuple[Row, list[Row]]:
    """Give heading and rows of a set's pictures, with the figures of every method."""
    columns = [(scores, column) for scores in place.scores for column in scores.table.columns]
    head = ("picture", *(f"{column}, {scores.method}" if len(place.scores) > 1 else column for scores, column in columns))
    pictures = place.scores[0].table.rows
    body = [(name, *(figure(scores.table.value(name, column), column) for scores, column in columns)) for name in pictures]
    return head, body


def markdown(places: Sequence[SetScores]) -> str:
    """Give all sets as a page."""
    return "\n".join(_page(places)) + "\n"


def figure(value: float | None, column: str) -> str:
    """Give a figure as papers print it: two digits, SSIM four."""
    if value is None:
        return ""
    return "inf" if math.isinf(value) else f"{value:.{DIGITS.get(column, 2)}f}"


def _ours(place: SetScores) -> Iterator[Row]:
    for scores in place.scores:
        yield (scores.method, *(figure(mean.value, column) for column, mean in means(scores).items()), str(len(scores.table.rows)))


def _printed(row: Published, place: SetScores) -> Row:
    return (
        f"{row.method}, printed in {row.source}",
        *(figure(getattr(row, FIELDS[column]), column) for column in place.scores[0].table.columns),
        "",
    )


def _equal(scores: MethodScores) -> int:
    return int(means(scores)["PSNR"].left_out)


def _page(places: Sequence[SetScores]) -> Iterator[str]:
    yield "# Benchmark"
    for place in places:
        yield from ("", f"## {place.name}, ×{place.scale}", "", *_table(heading(place), rows(place)), "")
        yield from (f"- {remark}" for remark in remarks(place))
        yield from ("", *_table(*by_picture(place)))


def _table(head: Row, body: Sequence[Row]) -> Iterator[str]:
    yield _line(head)
    yield _line(("---", *("---:" for _ in head[1:])))
    yield from map(_line, body)


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
