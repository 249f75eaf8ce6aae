"""Windows equal the whole bit for bit: any banded kind, scale, size and place (property)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sr_core.operators import make_operator

KINDS: list[tuple[str, dict[str, float]]] = [
    ("bicubic", {}), ("bilinear", {}), ("nearest", {}), ("box", {}), ("gaussian", {"sigma": 1.6, "taps": 7}),
    ("gaussian", {"sigma": 1.6, "taps": 12}), ("gaussian", {"sigma": 2.1}), ("mtf", {"value": 0.3}),
    ("taps", {"taps": [0.05, 0.1, 0.45, 0.3, 0.07, 0.03]}), ("taps", {"taps": [(k * 37 % 19 + 1) / 2583 for k in range(255)]}),
]  # fmt: skip
SCALES = [(2, 2), (3, 3), (4, 4), (5, 5), (8, 8), (2, 1), (1, 2), (3, 1), (1, 3), (4, 1), (1, 4), (5, 1), (1, 5), (8, 1), (1, 8), (2, 3)]


def image(*shape: int, dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, tuple[int, int]]:
    """Draw the size of an axis (LR) and a window of it."""
    size = draw(st.integers(1, 90))
    first = draw(st.integers(0, size - 1))
    return size, (first, draw(st.integers(first + 1, size)))


@given(
    kind=st.sampled_from(KINDS),
    scale=st.sampled_from(SCALES),
    rows=windows(),
    cols=windows(),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(derandomize=True, max_examples=400, deadline=None)
def test_windows_equal_the_whole(
    kind: tuple[str, dict[str, float]],
    scale: tuple[int, int],
    rows: tuple[int, tuple[int, int]],
    cols: tuple[int, tuple[int, int]],
    double: bool,
    seed: int,
) -> None:
    operator, dtype = make_operator(kind[0], scale, **kind[1]), torch.float64 if double else torch.float32
    (height, (top, bottom)), (width, (left, right)) = rows, cols
    x, y = image(1, height * scale[0], width * scale[1], dtype=dtype, seed=seed), image(1, height, width, dtype=dtype, seed=seed + 1)
    reach = [-(-operator.support // s) for s in scale]
    r0, r1 = max(0, top - reach[0]), min(height, bottom + reach[0])
    c0, c1 = max(0, left - reach[1]), min(width, right + reach[1])
    inner = (0, slice(top - r0, bottom - r0), slice(left - c0, right - c0))
    inner_hr = (0, *(slice(s.start * f, s.stop * f) for s, f in zip(inner[1:], scale, strict=True)))
    hr = (0, slice(top * scale[0], bottom * scale[0]), slice(left * scale[1], right * scale[1]))
    part = x[..., r0 * scale[0] : r1 * scale[0], c0 * scale[1] : c1 * scale[1]]
    assert torch.equal(operator.apply(part)[inner], operator.apply(x)[0, top:bottom, left:right])
    assert torch.equal(operator.adjoint(y[..., r0:r1, c0:c1])[inner_hr], operator.adjoint(y)[hr])


@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (8, 8), (1, 4), (4, 1)])
@pytest.mark.parametrize(("kind", "parameters"), [*KINDS[:-1], ("taps", {"taps": [-0.1, 0.05, 0.05, 0.1, 0.7, 0.2]})])
def test_pinv_halo_holds_what_it_says(kind: str, parameters: dict[str, float], scale: tuple[int, int]) -> None:
    operator = make_operator(kind, scale, **parameters)
    if not operator.invertible:
        pytest.skip("refused in words")
    for tol in (1e-3, 1e-6):
        halo = operator.pinv_halo(tol)
        size = 2 * halo + 24
        y = image(1, size, size + 5, dtype=torch.float64, seed=7).sign()  # the worst case: values at both ends of the range
        whole = operator.pinv(y)
        window = operator.pinv(y[:, 4 : 2 * halo + 20, 6 : 2 * halo + 22])
        s_row, s_col = scale
        inner = window[:, s_row * halo : s_row * (halo + 16), s_col * halo : s_col * (halo + 16)]
        outer = whole[:, s_row * (4 + halo) : s_row * (20 + halo), s_col * (6 + halo) : s_col * (22 + halo)]
        assert (inner - outer).abs().max() <= 2 * tol  # the range is 2 wide
