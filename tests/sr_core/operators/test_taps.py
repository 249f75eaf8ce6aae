"""Taps by value: the same operator as the kind whose taps they are, its text, its borders, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.errors import OperatorError
from sr_core.operators import SeparableOperator, make_operator, operator_from
from sr_core.operators.blocks import sizes, stable, usable
from sr_core.operators.factor import Factor

LOPSIDED = [0.05, 0.1, 0.45, 0.3, 0.07, 0.03]


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("kind", "parameters"), [("bicubic", {}), ("box", {}), ("mtf", {"value": 0.25}), ("nearest", {})])
def test_is_the_kind_whose_taps_they_are(kind: str, parameters: dict[str, float], scale: int) -> None:
    named = make_operator(kind, scale, **parameters)
    assert isinstance(named, SeparableOperator)
    made = make_operator("taps", scale, taps=named.rows.taps)
    x, y = image(2, 12 * scale, 10 * scale), image(2, 12, 10, seed=1)
    torch.testing.assert_close(made.apply(x), named.apply(x), rtol=0, atol=1e-14)
    torch.testing.assert_close(made.pinv(y), named.pinv(y), rtol=0, atol=1e-12)
    assert made.condition == pytest.approx(named.condition, rel=1e-9)
    assert made.noise_gain == pytest.approx(named.noise_gain, rel=1e-9)
    assert made.invisible(3) == pytest.approx(named.invisible(3), abs=1e-9)
    assert (made.support, made.pinv_halo()) == (named.support, named.pinv_halo())
    torch.testing.assert_close(made.upscale(y), make_operator("bicubic", scale).upscale(y), rtol=0, atol=0)


def test_rows_and_columns_by_value() -> None:
    operator = make_operator("taps", 2, taps=[[0.5, 0.5], [0.1, 0.2, 0.4, 0.2, 0.1]])
    rows = torch.zeros(1, 8, 8, dtype=torch.float64)
    rows[0, 4, 5] = 1
    made = operator.apply(rows)[0]
    # Down the image: the mean of rows 4 and 5. Across: five taps about column 2 j + 1 (an odd number on an even scale).
    np.testing.assert_allclose(made[2], [0, 0.05, 0.2, 0.05], rtol=0, atol=1e-15)
    assert made[[0, 1, 3]].abs().max() == 0
    assert operator.describe().startswith(
        "Blur by taps given by value (2 vertically and 5 horizontally), then one pixel kept of each block, by"
    )
    assert make_operator("taps", 2, taps=[LOPSIDED, LOPSIDED]) == make_operator("taps", 2, taps=LOPSIDED)  # one text for one operator


def test_taps_are_divided_by_their_sum_and_written_as_given() -> None:
    given = [0.2, 0.6, 0.2 + 9e-7]
    operator = make_operator("taps", (3, 1), taps=np.array(given))
    assert isinstance(operator, SeparableOperator)
    assert math.fsum(operator.rows.taps) == pytest.approx(1, abs=1e-15)
    assert json.loads(operator.to_json())["parameters"] == {"taps": given}
    again = operator_from(operator.to_json())
    assert again == operator and again.to_json() == operator.to_json() and isinstance(again, SeparableOperator)
    flat = torch.full((1, 9, 4), 0.3, dtype=torch.float64)
    torch.testing.assert_close(operator.apply(flat), flat[:, :3], rtol=0, atol=1e-15)


def test_text_and_digest_are_pinned() -> None:
    operator = make_operator("taps", 2, taps=[[0.25, 0.5, 0.25], [1]])
    text = '{"kind": "taps", "parameters": {"taps": [[0.25, 0.5, 0.25], [1.0]]}, "scale": [2, 2], "schema": 1, "version": 1}'
    assert operator.to_json() == text
    assert operator.digest() == "ae309962e00634abf76cff67d7c8a1afdc12bc9a6874b909e7262788c122aabd"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([0.5, 0.4], "sum is 0.9; expected a sum of 1"), ([1, -0.5], "sum is 0.5"), ([float("nan"), 1], "not all finite"),
        ([float("inf")], "not all finite"), ([1 / 256] * 256, "256 taps along one axis; expected at most 255"), ([], "a list of numbers"),
        (1.0, "a list of numbers"), ("abc", "a list of numbers"), ([[1.0], []], "a list of numbers"), ([[1.0]], "a list of numbers"),
        ([[1.0], [1.0], [1.0]], "two such lists"), ([1.0, [1.0]], "a list of numbers"), ([[[1.0]], [1.0]], "a list of numbers"),
        ([[1.0], [0.5]], "sum is 0.5"), ([None], "a list of numbers"),
    ],
)  # fmt: skip
def test_refusals(given: object, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        make_operator("taps", 2, taps=given)  # type: ignore[arg-type]


def test_an_axis_that_is_left_alone_takes_no_taps() -> None:
    with pytest.raises(OperatorError, match="an axis of scale 1 is left as it is"):
        make_operator("taps", (1, 2), taps=[[0.5, 0.5], [1.0]])


def test_what_cannot_be_undone_is_refused() -> None:
    mean = make_operator("taps", 2, taps=[1 / 9] * 9)  # its transfer function crosses zero
    assert not mean.invertible
    assert "cannot be undone exactly" in mean.describe()
    with pytest.raises(OperatorError, match="2-D condition number"):
        mean.pinv(image(1, 8, 8))
    assert mean.residual(image(1, 16, 16), image(1, 8, 8)).shape == (1, 8, 8)


def test_borders_decide_where_taps_are_off_the_centre() -> None:
    # Inside the image they lose little; folded at its end, the last LR pixel is almost a copy of the one before.
    taps = [-0.1, 0.2, 0.1, 0.4, 0.4]
    operator = make_operator("taps", 2, taps=taps)
    assert operator.condition < 100
    dense = Factor.centred(2, tuple(taps)).dense(2 * 40)
    largest = np.linalg.cond(dense @ dense.T) ** 2
    assert operator.border_condition == pytest.approx(largest, rel=0.05) and largest > 20 * operator.condition
    symmetric = make_operator("mtf", 4, value=0.2)
    assert symmetric.border_condition == symmetric.condition


def test_borders_that_hide_a_measurement_are_refused() -> None:
    # A mean of two pixels beyond the block: the last LR pixel is the mean of a mirrored pair that the one before has measured.
    operator = make_operator("taps", 2, taps=[0.0, 0.0, 0.0, 0.5, 0.5])
    assert operator.condition < 100 and not operator.invertible
    with pytest.raises(OperatorError, match="condition number of"):
        operator.project(image(1, 16, 16), image(1, 8, 8))


def test_windows_of_an_inverse_without_end_are_refused() -> None:
    taps = [(k * 37 % 19 + 1) / 2583 for k in range(255)]  # 1-D condition 9305, and 64 coefficients: it decays over thousands of pixels
    operator = make_operator("taps", (4, 1), taps=taps)
    assert operator.invertible
    with pytest.raises(OperatorError, match="which reaches too far; expected one that ends"):
        operator.pinv_halo()


def test_long_taps_do_not_change_the_form_of_short_ones() -> None:
    short, long = (make_operator("taps", 2, taps=[1 / n] * n) for n in (8, 255))
    assert isinstance(short, SeparableOperator) and isinstance(long, SeparableOperator)
    assert usable(short.rows, short.cols, transposed=False) == stable(128)
    assert sizes(long.rows, transposed=False).length > 255


def test_invisible_of_far_taps_is_that_of_the_shifted_grid() -> None:
    far = [0.0] * 40 + [1.0]  # looks 20 px away: nothing is blurred, objects of any size are seen as by one pixel of each block
    near = make_operator("nearest", 2)
    from sr_core.operators.visibility import invisible

    shifted = make_operator("taps", 2, taps=far)
    assert isinstance(shifted, SeparableOperator)
    assert invisible(shifted.rows, shifted.cols, 3.0) == pytest.approx(near.invisible(3), abs=1e-9)
