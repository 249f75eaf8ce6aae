"""The exact split x = A+ A x + P_N x for every kind of operator, and what the projection costs, counted in applications of A."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sr_core.operators import KINDS, Operator, make_operator
from sr_core.operators.projection import ROUNDS

PARAMETERS: dict[str, dict[str, Any]] = {
    "gaussian": {"sigma": 1.3, "taps": 7}, "mtf": {"value": 0.25}, "taps": {"taps": [0.05, 0.1, 0.45, 0.3, 0.07, 0.03]}, "kspace": {},
}  # fmt: skip
SCALES = [(2, 2), (3, 3), (4, 4), (2, 1), (1, 3), (3, 2)]
BANDS = 2


def made(kind: str, scale: tuple[int, int]) -> Operator | None:
    """Give an operator, per band where the name ends so; None where the kind has no such scale, or it cannot be inverted."""
    if kind == "per band":
        operator = make_operator("mtf", scale, value=[0.2, 0.45])
    elif kind == "kspace" and scale[0] != scale[1]:
        return None
    else:
        operator = make_operator(kind, scale, **PARAMETERS.get(kind, {}))
    return operator if operator.invertible else None


OPERATORS = [
    pytest.param(operator, id=f"{kind} {scale[0]}x{scale[1]}")
    for kind in (*KINDS, "kspace", "per band")
    for scale in SCALES
    if (operator := made(kind, scale)) is not None
]
ALL = [parameter.values[0] for parameter in OPERATORS]


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def guessed(operator: Operator, x: Tensor) -> Tensor:
    """P_N x: what the measurement cannot see."""
    return x - operator.pinv(operator.apply(x))


def test_every_kind_is_split() -> None:
    kinds = {operator.kind for operator in ALL}
    assert kinds >= set(KINDS) and any(operator.bands == BANDS for operator in ALL)


@given(operator=st.sampled_from(ALL), height=st.integers(1, 25), width=st.integers(2, 25), seed=st.integers(0, 99))
@settings(derandomize=True, max_examples=120, deadline=None)
def test_split(operator: Operator, height: int, width: int, seed: int) -> None:
    rows, cols = operator.scale
    x, other = (image(BANDS, height * rows, width * cols, seed=seed + n) for n in range(2))
    y, b = (image(BANDS, height, width, seed=seed + n) for n in (2, 3))
    near = 1e-11 * operator.condition
    projected = operator.project(x, y)
    assert operator.residual(projected, y).abs().max() < near  # A project(x) = y
    torch.testing.assert_close(operator.project(projected, y), projected, rtol=0, atol=near)
    part = guessed(operator, x)
    torch.testing.assert_close(guessed(operator, part), part, rtol=0, atol=near)  # P_N^2 = P_N
    torch.testing.assert_close(part + operator.pinv(operator.apply(x)), x, rtol=0, atol=near)
    size = x.norm() * b.norm()
    assert abs(float((part * operator.pinv(b)).sum() / size)) < near  # <P_N a, A+ b> = 0
    assert abs(float(((part * other).sum() - (x * guessed(operator, other)).sum()) / (x.norm() * other.norm()))) < near  # P_N = P_N^T
    torch.testing.assert_close(guessed(operator, projected), part, rtol=0, atol=near)  # a projection leaves the guess alone


class Counted:
    """An operator that counts the LR pixels of what it is asked to do."""

    def __init__(self, operator: Operator) -> None:
        self.operator, self.pixels = operator, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.operator, name)

    def apply(self, x: Tensor) -> Tensor:
        y = self.operator.apply(x)
        self.pixels["apply"] += y.numel()
        return y

    def pinv(self, y: Tensor) -> Tensor:
        self.pixels["pinv"] += y.numel()
        return self.operator.pinv(y)

    def pinv_plus(self, y: Tensor, x: Tensor) -> Tensor:
        self.pixels["pinv"] += y.numel()
        return self.operator.pinv_plus(y, x)

    def for_bands(self, count: int) -> tuple[Counted, ...]:
        return (self,) * count


SIDE = 400  # LR pixels


def cost(*bright: tuple[int, int], side: int = SIDE) -> tuple[float, Tensor, Tensor]:
    """Project a scene that clips at some LR places: the work, in applications of A or A+ to all of it, the image, and without range."""
    from sr_core.operators.projection import project

    operator = Counted(make_operator("bicubic", 2))
    truth = torch.full((1, 2 * side, 2 * side), 0.5, dtype=torch.float64) + 0.01 * image(1, 2 * side, 2 * side)
    for row, col in bright:
        truth[:, 2 * row : 2 * row + 6, 2 * col : 2 * col + 6] = 1.0
    y = operator.operator.apply(truth).clamp(0, 1)
    start = operator.operator.upscale(y)
    found = project(operator, start, y, (0.0, 0.9), 1 / 255)  # type: ignore[arg-type]
    return max(operator.pixels.values()) / y.numel(), found, operator.operator.project(start, y)


def test_a_scene_that_does_not_clip_is_projected_at_once() -> None:
    work, found, free = cost()
    assert work == 1 and torch.equal(found, free)


@pytest.mark.parametrize(
    "bright", [((0, 0),), ((SIDE - 3, SIDE - 3),), ((200, 170),), ((0, 0), (SIDE - 3, SIDE - 3)), ((0, 200), (390, 10))]
)
def test_only_the_places_that_clip_pay(bright: tuple[tuple[int, int], ...]) -> None:
    work, found, free = cost(*bright)
    assert 1 < work <= 1.5  # of 1 + eight rounds, if all of the scene took part
    assert found.max() <= 0.9 and torch.equal(found[:, 380:420, 500:560], free[:, 380:420, 500:560])


def test_a_scene_that_clips_everywhere_pays_the_rounds_and_no_more() -> None:
    every = tuple((row, col) for row in range(0, 200, 20) for col in range(0, 200, 20))
    work, _, _ = cost(*every, side=200)
    assert 2 < work <= 1 + ROUNDS
