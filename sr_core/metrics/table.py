"""Tables of metric values in which two protocols never meet in one column."""

from __future__ import annotations

import math

from pydantic import model_validator

from sr_core.errors import InputError
from sr_core.metrics.protocol import Protocol
from sr_core.records import Record


class Cell(Record):
    """One value: of which row (an image, a method), under which heading, and how it was measured.

    Attributes
    ----------
    row, column : names.
    value : the number; infinity where images are equal.
    unit : "dB", "reflectance", or "" for a number without one.
    protocol : channel, range, border, rounding.
    variant : what else decides the number, in words, such as "padded" for IFC.
    """

    row: str
    column: str
    value: float
    unit: str
    protocol: Protocol
    variant: str = ""

    def how(self) -> str:
        """Say how it was measured."""
        return ", ".join(filter(None, (self.variant, f"in {self.unit}" if self.unit else "", self.protocol.describe())))


class Mean(Record):
    """Mean of a column's finite values; `left_out` were infinite (equal images) or not a number."""

    value: float
    used: int
    left_out: int

    def describe(self) -> str:
        """Say it in words."""
        rest = f"; {self.left_out} without a finite value left out" if self.left_out else ""
        return f"{self.value:.6g} (mean of {self.used}{rest})"


class Table(Record):
    """Rows of metric values. Each column has one unit, one protocol and one variant; each row has one value a column."""

    cells: tuple[Cell, ...] = ()

    @model_validator(mode="after")
    def _one_protocol_a_column(self) -> Table:
        first: dict[str, Cell] = {}
        seen: set[tuple[str, str]] = set()
        for cell in self.cells:
            head = first.setdefault(cell.column, cell)
            if (head.protocol, head.unit, head.variant) != (cell.protocol, cell.unit, cell.variant):
                raise _clash(cell, head)
            if (cell.row, cell.column) in seen:
                raise InputError(f"a second value of {cell.row} under {cell.column}", "one", "Name the rows apart.")
            seen.add((cell.row, cell.column))
        return self

    def add(self, row: str, column: str, value: float, protocol: Protocol, unit: str = "", variant: str = "") -> Table:
        """Give the table with one more value.

        Raises
        ------
        InputError
            If the column holds values of another protocol, unit or variant, or has a value in this row already.
        """
        cell = Cell(row=row, column=column, value=value, unit=unit, protocol=protocol, variant=variant)
        head = next((c for c in self.cells if c.column == column), None)
        if head is not None and (head.protocol, head.unit, head.variant) != (protocol, unit, variant):
            raise _clash(cell, head)
        if any(c.row == row and c.column == column for c in self.cells):
            raise InputError(f"a second value of {row} under {column}", "one", "Name the rows apart.")
        return Table.model_construct(cells=(*self.cells, cell))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order in which they were begun."""
        return tuple(dict.fromkeys(cell.column for cell in self.cells))

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows, in the order in which they were begun."""
        return tuple(dict.fromkeys(cell.row for cell in self.cells))

    def value(self, row: str, column: str) -> float | None:
        """Give one value, or None where there is none."""
        return next((c.value for c in self.cells if (c.row, c.column) == (row, column)), None)

    def heading(self, column: str) -> str:
        """Give a column's name and how its values were measured."""
        return f"{column}: {self._of(column)[0].how()}"

    def mean(self, column: str) -> Mean:
        """Give the mean of a column's finite values (NaN where there is none), and how many were left out.

        Raises
        ------
        InputError
            If there is no such column.
        """
        values = [cell.value for cell in self._of(column)]
        finite = [value for value in values if math.isfinite(value)]
        mean = math.fsum(finite) / len(finite) if finite else math.nan
        return Mean(value=mean, used=len(finite), left_out=len(values) - len(finite))

    def _of(self, column: str) -> list[Cell]:
        cells = [cell for cell in self.cells if cell.column == column]
        if not cells:
            raise InputError(f"column {column}", f"one of {', '.join(self.columns) or 'none yet'}", "Add values first.")
        return cells


def _clash(cell: Cell, head: Cell) -> InputError:
    given = f"{cell.row} under {cell.column}, measured {cell.how()}"
    return InputError(given, f"as the column is: {head.how()}", "Put it into a column of its own: such numbers do not compare.")
