"""A degradation that differs from band to band: each band is its own operator's, one number is the worst band's, texts, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.errors import OperatorError, ShapeError
from sr_core.operators import BandwiseOperator, Operator, SeparableOperator, kernel_of, make_operator, operator_from

VALUES = [0.26, 0.28, 0.24, 0.26]
BOTH = [torch.float32, torch.float64]


def per_band(scale: int | tuple[int, int] = 2, value: object = VALUES) -> BandwiseOperator:
    operator = make_operator("mtf", scale, value=value)  # type: ignore[arg-type]
    assert isinstance(operator, BandwiseOperator)
    return operator


def image(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("scale", [2, 3, (4, 1), (1, 2)])
def test_each_band_is_its_own_operator_bit_for_bit(scale: int | tuple[int, int], dtype: torch.dtype) -> None:
    operator = per_band(scale)
    rows, cols = operator.scale
    x, y = image(3, 4, 21 * rows, 30 * cols, dtype=dtype), image(3, 4, 21, 30, dtype=dtype, seed=1)
    maps = [
        (operator.apply(x), lambda one, c: one.apply(x[:, c])), (operator.adjoint(y), lambda one, c: one.adjoint(y[:, c])),
        (operator.upscale(y), lambda one, c: one.upscale(y[:, c])), (operator.pinv(y), lambda one, c: one.pinv(y[:, c])),
        (operator.residual(x, y), lambda one, c: one.residual(x[:, c], y[:, c])),
        (operator.project(x, y), lambda one, c: one.project(x[:, c], y[:, c])),
        (operator.project(x, y, (0.1, 0.9), 1e-3), lambda one, c: one.project(x[:, c], y[:, c], (0.1, 0.9), 1e-3)),
        (operator.project(x, y, noise=0.05), lambda one, c: one.project(x[:, c], y[:, c], noise=0.05)),
    ]  # fmt: skip
    for whole, of_band in maps:
        for c, value in enumerate(VALUES):
            assert torch.equal(whole[:, c], of_band(make_operator("mtf", scale, value=value), c))
    assert not torch.equal(operator.apply(x[:, :1].expand(-1, 4, -1, -1))[:, 0], operator.apply(x[:, :1].expand(-1, 4, -1, -1))[:, 1])


def test_adjoint_identity_and_gradients() -> None:
    operator, x, y = per_band(3), image(4, 24, 27), image(4, 8, 9, seed=1)
    there, back = (operator.apply(x) * y).sum(), (x * operator.adjoint(y)).sum()
    assert float((there - back).abs() / (x.norm() * y.norm())) < 1e-15
    for run, seen in ((operator.apply, image(4, 24, 27)), (operator.pinv, image(4, 8, 9)), (operator.upscale, image(4, 8, 9))):
        seen.requires_grad_()
        run(seen).square().sum().backward()
        assert seen.grad is not None and bool((seen.grad != 0).all(dim=(-1, -2)).any())
    x.requires_grad_()
    made = operator.project(x, y)
    made.backward(torch.ones_like(made))
    assert x.grad is not None and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dtype", BOTH)
def test_windows_equal_the_whole_with_the_halos_that_it_states(dtype: torch.dtype) -> None:
    operator = per_band(2, [0.6, 0.15, 0.3])
    x, y = image(3, 160, 180, dtype=dtype), image(3, 80, 90, dtype=dtype, seed=1)
    reach = -(-operator.support // 2)
    part = operator.apply(x[:, 2 * (20 - reach) : 2 * (50 + reach), 2 * (30 - reach) :])
    assert torch.equal(part[:, reach : reach + 30, reach:], operator.apply(x)[:, 20:50, 30:])
    halo = operator.pinv_halo(1e-3)
    whole = operator.pinv(y)[:, 2 * 30 : 2 * 50]
    assert (operator.pinv(y[:, 30 - halo : 50 + halo])[:, 2 * halo : -2 * halo] - whole).abs().max() < 1e-3


def test_one_number_is_the_worst_bands() -> None:
    operator = per_band(2, [0.3, 0.15, 0.4])
    alone = [make_operator("mtf", 2, value=v) for v in (0.3, 0.15, 0.4)]
    for number in ("support", "condition", "border_condition", "noise_gain"):
        assert getattr(operator, number) == max(getattr(one, number) for one in alone) == getattr(alone[1], number)
    assert operator.pinv_halo(1e-6) == alone[1].pinv_halo(1e-6)
    assert operator.invisible(3) == max(one.invisible(3) for one in alone)
    assert operator.windowed and operator.invertible and operator.bands == 3


def test_one_hopeless_band_refuses_all() -> None:
    operator = per_band(2, [0.3, 0.05])
    assert not operator.invertible
    for ask in (lambda: operator.pinv(image(2, 8, 8)), operator.pinv_halo, lambda: operator.invisible(2)):
        with pytest.raises(OperatorError, match=r"condition number of .* in the worst band"):
            ask()
    assert operator.describe().endswith("in the worst band, so it cannot be undone exactly and only the residual is shown.")
    assert operator.residual(image(2, 16, 16), image(2, 8, 8)).shape == (2, 8, 8)


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (5, 8, 8), (2, 1, 8, 8), (4, 1, 8, 8)])
def test_another_number_of_bands_is_refused(shape: tuple[int, ...]) -> None:
    operator = per_band()
    x, y = image(*shape), image(*shape[:-2], 4, 4)
    for ask in (lambda: operator.apply(x), lambda: operator.adjoint(y), lambda: operator.pinv(y), lambda: operator.project(x, y)):
        with pytest.raises(ShapeError, match=r"an image of shape .*; expected 4 bands, .*mtf has taps for each"):
            ask()
    assert operator.upscale(y).shape == x.shape  # one interpolation for all bands: networks fold bands into samples
    assert torch.equal(operator.upscale(y), make_operator("bicubic", 2).upscale(y))


def test_operators_of_the_bands() -> None:
    operator, plain = per_band(), make_operator("bicubic", 2)
    assert [one.digest() for one in operator.for_bands(4)] == [make_operator("mtf", 2, value=v).digest() for v in VALUES]
    with pytest.raises(ShapeError, match="an image of 3 bands; expected 4 bands"):
        operator.for_bands(3)
    assert plain.bands is None and plain.for_bands(3) == (plain, plain, plain)


def test_round_trip_and_text() -> None:
    operator = per_band()
    text = '{"kind": "mtf", "parameters": {"value": [0.26, 0.28, 0.24, 0.26]}, "scale": [2, 2], "schema": 1, "version": 1}'
    assert operator.to_json() == text
    assert operator.digest() == "821ad84a1d618f4632dddf9c3f7a3b3b6dfc52d6afd8708fa9cef8412faac224"
    again = operator_from(text)
    assert again == operator and again.digest() == operator.digest() and hash(again) == hash(operator)
    assert operator.describe() == (
        "Gaussian sensor blur with an MTF of 0.26, 0.28, 0.24 and 0.26 (band by band) at the LR Nyquist frequency, sampled at LR pixel "
        "centres, by 2 along both axes; undoing it multiplies white noise by 3.2 in the worst band (condition number 75.4)."
    )


def test_axes_may_differ() -> None:
    operator = per_band(2, [[0.3, 0.2], [0.25, 0.2]])
    rows, cols = (make_operator("mtf", 2, value=v) for v in (0.3, 0.25))
    first = operator.members[0]
    assert isinstance(rows, SeparableOperator) and isinstance(cols, SeparableOperator)
    assert (first.rows, first.cols) == (rows.rows, cols.cols)
    assert operator.members[1] == make_operator("mtf", 2, value=0.2)
    assert "0.3 and 0.2 (band by band) vertically and 0.25 and 0.2 (band by band) horizontally" in operator.describe()
    for one in (operator, *operator.members):
        again = operator_from(one.to_json())
        assert again == one and again.digest() == one.digest()


def test_one_operator_has_one_text() -> None:
    plain = make_operator("mtf", 2, value=0.3)
    same: list[Operator] = [make_operator("mtf", 2, value=v) for v in ([0.3], [[0.3], [0.3]], np.array([0.3]))]
    assert all(one == plain and one.to_json() == plain.to_json() for one in same)
    assert make_operator("mtf", 2, value=[[0.3, 0.2], [0.3, 0.2]]) == make_operator("mtf", 2, value=[0.3, 0.2])
    assert make_operator("mtf", 2, value=[0.3, 0.3]).bands == 2  # a list says how many bands there are, even if they are alike


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([0.3, 1.2], "value = 1.2; expected an MTF"), ([0.3, float("nan")], "value = nan"), ([], "one number, a list with one a band"),
        ([[0.3, 0.2], [0.3]], "two such lists"), ([[0.3, 0.2]], "two such lists"), ([0.3, "x"], "a list with one a band"),
        (None, "one number"),
    ],
)  # fmt: skip
def test_refusals(value: object, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        per_band(2, value)


def test_a_newer_text_is_refused_in_words() -> None:
    body = json.loads(per_band().to_json()) | {"version": 2}
    with pytest.raises(OperatorError, match="version 2; expected version 1"):
        operator_from(json.dumps(body))


def test_there_is_no_one_kernel() -> None:
    with pytest.raises(OperatorError, match=r"Take one band's: operator\.for_bands"):
        kernel_of(per_band())
    with pytest.raises(OperatorError, match="Choose a degradation by taps"):
        kernel_of(make_operator("kspace", 2))
    member = per_band().for_bands(4)[1]
    assert torch.equal(kernel_of(member), kernel_of(make_operator("mtf", 2, value=0.28)))
