"""What a parameter of a degradation may be: a number, a list of numbers, or such a list for rows and one for columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sr_core.errors import OperatorError

Value = float | tuple[float, ...] | tuple[tuple[float, ...], tuple[float, ...]]
Given = float | Sequence[float] | Sequence[Sequence[float]]
# "number": one for both axes and all bands; "banded": one for all bands, or one a band; "listed": a list, as taps are. The last two may
# be given for rows and columns apart, as two lists.
Shape = Literal["number", "banded", "listed"]

EXPECTED: dict[Shape, str] = {
    "number": "one number",
    "banded": "one number, a list with one a band, or two such lists (rows, columns) of one length",
    "listed": "a list of numbers, or two such lists (rows, columns)",
}


def read_value(name: str, given: object, shape: Shape) -> Value:
    """Bring a parameter into the one form that it is kept in: equal lists for both axes become one, a banded list of one its number.

    Raises
    ------
    OperatorError
        If it is not of that shape.
    """
    try:
        value = _read(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal(name, given, shape) from error
    if isinstance(value, float):
        fits = shape != "listed"
    elif shape == "number":
        fits = False
    else:
        fits = shape == "listed" or not per_axis(value) or len({len(along(value, axis)) for axis in (0, 1)}) == 1
    if not fits:
        raise _refusal(name, given, shape)
    return value[0] if shape == "banded" and isinstance(value, tuple) and value and len(value) == 1 else value


def _read(given: object) -> Value:
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple):
        return float(given)  # type: ignore[arg-type]
    if not given:
        raise ValueError("an empty list")
    if not any(isinstance(one, list | tuple | np.ndarray) for one in given):
        return tuple(float(one) for one in given)
    rows, cols = (_read(one) for one in given)
    if isinstance(rows, float) or isinstance(cols, float) or per_axis(rows) or per_axis(cols):
        raise TypeError("lists of another depth")
    return rows if rows == cols else (rows, cols)  # type: ignore[return-value]


def _refusal(name: str, given: object, shape: Shape) -> OperatorError:
    text = repr(given)
    return OperatorError(f"{name} = {text if len(text) <= 60 else text[:57] + '...'}", EXPECTED[shape], "Give it in one of these forms.")


def per_axis(value: Value) -> bool:
    """Say whether a value is given for rows and columns apart."""
    return isinstance(value, tuple) and isinstance(value[0], tuple)


def along(value: Value, axis: int) -> tuple[float, ...]:
    """Give the numbers that hold for rows (0) or columns (1)."""
    if isinstance(value, float):
        return (value,)
    part = value[axis] if per_axis(value) else value
    assert isinstance(part, tuple)
    return part  # type: ignore[return-value]


def band_count(value: Value) -> int:
    """Give for how many bands a banded value has numbers of their own: 1 where one holds for all."""
    return len(along(value, 0))


def of_band(value: Value, band: int) -> Value:
    """Give what a banded value says of one band."""
    rows, cols = (along(value, axis) for axis in (0, 1))
    if len(rows) == 1:
        return value
    return rows[band] if rows[band] == cols[band] else ((rows[band],), (cols[band],))


def said(value: Value, shape: Shape) -> str:
    """Say a value in words: numbers, or how many there are of a list."""
    if per_axis(value):
        rows, cols = (said(along(value, axis), shape) for axis in (0, 1))
        return f"{rows} vertically and {cols} horizontally"
    numbers = along(value, 0)
    if shape == "listed":
        return str(len(numbers))
    words = [f"{number:g}" for number in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]} (band by band)"
