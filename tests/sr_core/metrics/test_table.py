"""Tables: two protocols never meet in one column."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from sr_core.errors import InputError, StoreError
from sr_core.metrics import Cell, Protocol, Table

TWO = Protocol(data_range=255, border=2)
FOUR = Protocol(data_range=255, border=4)


def filled() -> Table:
    table = Table().add("baby", "PSNR", 30, TWO, "dB").add("bird", "PSNR", 32, TWO, "dB")
    return table.add("baby", "IFC", 6.1, TWO, variant="padded")


def test_values_and_means() -> None:
    table = filled().add("same", "PSNR", math.inf, TWO, "dB")
    assert table.columns == ("PSNR", "IFC") and table.rows == ("baby", "bird", "same")
    assert table.value("bird", "PSNR") == 32 and table.value("bird", "IFC") is None
    assert table.mean("PSNR").describe() == "31 (mean of 2; 1 without a finite value left out)"
    assert table.mean("IFC").describe() == "6.1 (mean of 1)"
    assert table.heading("IFC") == "IFC: padded, all bands, range 255, 2 px border left out, unrounded"
    assert math.isnan(Table().add("a", "b", math.inf, TWO).mean("b").value)
    with pytest.raises(InputError, match="column SSIM"):
        table.mean("SSIM")


@pytest.mark.parametrize(
    "other",
    [
        {"protocol": FOUR},
        {"protocol": Protocol(channel="luma", data_range=255, border=2)},
        {"protocol": Protocol(data_range=1, border=2)},
        {"protocol": Protocol(data_range=255, border=2, rounding="step", step=1)},
        {"unit": "HU"},
        {"variant": "padded"},
    ],
)
def test_protocols_never_meet(other: dict[str, object]) -> None:
    table = filled()
    cell = {"protocol": TWO, "unit": "dB", "variant": "", **other}
    with pytest.raises(InputError, match="column of its own"):
        table.add("head", "PSNR", 31, **cell)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="column of its own"):
        Table(cells=(*table.cells, Cell(row="head", column="PSNR", value=31, **cell)))  # type: ignore[arg-type]
    assert table == filled()
    assert table.add("head", "PSNR, 4 px", 31, **cell).columns[-1] == "PSNR, 4 px"  # type: ignore[arg-type]


def test_one_value_a_place() -> None:
    with pytest.raises(InputError, match="second value"):
        filled().add("baby", "PSNR", 31, TWO, "dB")
    with pytest.raises(ValidationError, match="second value"):
        Table(cells=(filled().cells[0], filled().cells[0]))


def test_json_round_trip_is_checked() -> None:
    table = filled().add("same", "PSNR", math.inf, TWO, "dB")
    text = table.to_json()
    assert Table.from_json(text, "t.json") == table
    with pytest.raises(StoreError, match="does not read"):
        Table.from_json(text.replace('"border": 2', '"border": 3', 1), "t.json")
