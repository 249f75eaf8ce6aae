"""Protocols and luma. Luma values: the ITU weights by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from sr_core.errors import InputError, ShapeError
from sr_core.metrics import Protocol, luma
from sr_core.operators.matlab import u8

LUMA = [
    ((0, 0, 0), 16.0, 16), ((255, 255, 255), 235.0, 235), ((255, 0, 0), 81.481, 81), ((0, 255, 0), 144.553, 145),
    ((0, 0, 255), 40.966, 41), ((128, 64, 200), 100.714353, 101), ((1, 2, 3), 17.558765, 18),
]  # fmt: skip


@pytest.mark.parametrize(("rgb", "value", "rounded"), LUMA)
def test_luma(rgb: tuple[int, int, int], value: float, rounded: int) -> None:
    made = luma(np.array(rgb, dtype=np.uint8).reshape(3, 1, 1))
    assert made[0, 0] == pytest.approx(value, abs=5e-7)
    assert u8(made)[0, 0] == rounded
    assert luma(np.array(rgb).reshape(3, 1, 1) / 255, 1.0)[0, 0] * 255 == pytest.approx(value, abs=5e-7)


def test_luma_wants_three_bands() -> None:
    with pytest.raises(ShapeError, match="RGB"):
        luma(np.zeros((4, 2, 2)))


def test_description_and_json() -> None:
    protocol = Protocol(channel="luma", data_range=255, border=2, rounding="step", step=1)
    assert protocol.describe() == "luma (BT.601), range 255, 2 px border left out, rounded to steps of 1"
    assert Protocol.from_json(protocol.to_json(), "x") == protocol


@pytest.mark.parametrize(
    "bad", [{"data_range": 0, "border": 0}, {"data_range": 1, "border": -1}, {"data_range": 1, "border": 0, "rounding": "step"}]
)
def test_contradictions(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Protocol(**bad)  # type: ignore[arg-type]


def test_refusals() -> None:
    protocol = Protocol(data_range=1, border=2)
    x = np.zeros((1, 8, 8))
    with pytest.raises(ShapeError, match="one shape"):
        protocol.prepare(x, x[:, :7])
    with pytest.raises(ShapeError, match="border"):
        protocol.prepare(x[:, :4], x[:, :4])
    with pytest.raises(ShapeError, match="no pixel"):
        protocol.prepare(x, x, np.zeros((8, 8), dtype=bool))
    with pytest.raises(ShapeError, match="mask of"):
        protocol.prepare(x, x, np.ones((8, 7), dtype=bool))
    with pytest.raises(ShapeError, match="luma"):
        Protocol(channel="luma", data_range=1, border=0).prepare(x, x)


def test_usable_pixels_are_numbers() -> None:
    protocol = Protocol(data_range=1, border=0)
    x = np.zeros((1, 8, 8))
    spoiled = x.copy()
    spoiled[0, 1, 1] = np.nan
    with pytest.raises(InputError, match="not a number"):
        protocol.prepare(spoiled, x)
    mask = np.ones((8, 8), dtype=bool)
    mask[1, 1] = False
    assert protocol.prepare(spoiled, x, mask)[0].sum() == 0


def test_whole_rectangle() -> None:
    protocol = Protocol(data_range=1, border=1)
    x = np.arange(64.0).reshape(1, 8, 8)
    mask = np.zeros((8, 8), dtype=bool)
    mask[:5, 2:6] = True
    assert (protocol.prepare_whole(x, x, mask, "IFC", 4)[0] == x[:, 1:5, 2:6]).all()
    with pytest.raises(ShapeError, match="at least 5 x 5"):
        protocol.prepare_whole(x, x, mask, "IFC", 5)
    mask[2, 3] = False
    with pytest.raises(ShapeError, match="1 unusable px among the usable ones for IFC"):
        protocol.prepare_whole(x, x, mask, "IFC", 4)
