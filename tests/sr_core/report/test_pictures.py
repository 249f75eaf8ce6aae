"""Pictures by value: which bands, one stretch, one error scale, nodata, crops, and how numbers are written."""

from __future__ import annotations

import base64
import dataclasses
import io
import math

import numpy as np
import pytest
from PIL import Image

from sr_core.errors import ShapeError
from sr_core.report.content import RegionPictures
from sr_core.report.pictures import Map, composite_bands, error_maps, four_pictures, number, trust_maps, worst_crop


def all_maps(given: RegionPictures, unit: str) -> tuple[Map, ...]:
    return (*error_maps(given, unit), *trust_maps(given, unit))


def decoded(address: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def region(bands: int = 1, height: int = 24, width: int = 32) -> RegionPictures:
    rng = np.random.default_rng(0)
    hr = rng.uniform(0, 1, (bands, height, width)).astype(np.float32)
    lr = hr[:, ::2, ::2].copy()
    return RegionPictures("r", lr, hr * 0.9, hr * 0.95, hr, hr * 0.1, (lr - 0.5) * 1e-3, hr * 0.2, np.ones((height, width), bool))


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (("B02", "B03", "B04", "B08"), (2, 1, 0)), (("b8", "b4", "b3", "b2"), (1, 2, 3)), (("Red", "Green", "Blue"), (0, 1, 2)),
        (("x", "y", "z", "w"), (0, 1, 2)), (("CT",), (0,)), (("a", "b"), (0,)),
    ],
)  # fmt: skip
def test_bands_of_the_composite(bands: tuple[str, ...], shown: tuple[int, ...]) -> None:
    assert composite_bands(bands) == shown


def test_one_stretch_for_all_four() -> None:
    given = region()
    pictures = {p.caption: p for p in four_pictures(given, ("CT",))}
    low, high = np.percentile(given.hr, (1, 99))
    expected = np.rint(np.clip((given.sr[0].astype(np.float64) - low) / (high - low), 0, 1) * 255)
    assert np.array_equal(decoded(pictures["SR"].address)[..., 0], expected)
    assert decoded(pictures["LR"].address).shape == (12, 16, 3) and (pictures["HR"].width, pictures["HR"].height) == (32, 24)


def test_channels_are_in_the_order_red_green_blue() -> None:
    given = region(4)
    shown = decoded(four_pictures(given, ("B02", "B03", "B04", "B08"))[3].address)
    red = given.hr[2].astype(np.float64)
    low, high = np.percentile(given.hr[2], (1, 99))
    assert np.array_equal(shown[..., 0], np.rint(np.clip((red - low) / (high - low), 0, 1) * 255))


def test_nodata_is_transparent_and_never_not_a_number() -> None:
    given = region()
    mask = given.mask.copy()
    mask[:8, :8] = False
    hole = dataclasses.replace(given, mask=mask, sr=np.where(mask, given.sr, np.nan).astype(np.float32))
    shown = decoded(four_pictures(hole, ("CT",))[2].address)
    assert (shown[:8, :8, 3] == 0).all() and (shown[8:, 8:, 3] == 255).all()
    drawn = all_maps(hole, "HU")
    assert (decoded(drawn[1].picture.address)[:8, :8, 3] == 0).all() and drawn[1].high == drawn[0].high


def test_errors_share_a_scale_and_say_their_unit() -> None:
    drawn = {m.picture.caption: m for m in all_maps(region(3), "reflectance")}
    model, bicubic = drawn["|SR − HR|"], drawn["|bicubic − HR|"]
    assert (model.low, model.high, model.unit) == (bicubic.low, bicubic.high, "reflectance") and model.low == "0"
    assert decoded(model.picture.address).astype(int).sum() < decoded(bicubic.picture.address).astype(int).sum()
    residual = drawn["residual y − A z"]
    assert residual.low == "−" + residual.high


def test_without_an_interval_there_is_no_such_map() -> None:
    for half_width in (None, np.full((1, 24, 32), np.nan, np.float32)):
        captions = [m.picture.caption for m in all_maps(dataclasses.replace(region(), half_width=half_width), "HU")]
        assert "interval half-width" not in captions and len(captions) == 4


def test_all_nodata_and_flat_regions_can_be_drawn() -> None:
    empty = dataclasses.replace(region(), mask=np.zeros((24, 32), bool))
    assert len(four_pictures(empty, ("CT",))) == 4 and len(all_maps(empty, "HU")) == 4
    flat = np.zeros((1, 24, 32), np.float32)
    same = RegionPictures("r", flat[:, ::2, ::2], flat, flat, flat, flat, flat[:, ::2, ::2], flat, np.ones((24, 32), bool))
    assert len(all_maps(same, "HU")) == 5


def test_crop_finds_the_largest_errors_on_the_lr_grid() -> None:
    given = region(1, 80, 120)
    sr = given.hr.copy()
    sr[0, 50:60, 90:104] += 1
    cut = worst_crop(dataclasses.replace(given, sr=sr), 32)
    assert cut.hr.shape == (1, 32, 32) and cut.lr.shape == (1, 16, 16)
    assert np.abs(cut.sr - cut.hr).sum() == pytest.approx(140, rel=1e-4)
    assert np.array_equal(cut.lr, cut.hr[:, ::2, ::2])
    assert worst_crop(given, 200) is given


def test_shapes_must_be_those_of_one_region() -> None:
    with pytest.raises(ShapeError):
        dataclasses.replace(region(), guess=np.zeros((1, 3, 3), np.float32))
    with pytest.raises(ShapeError):
        dataclasses.replace(region(), lr=np.zeros((1, 5, 7), np.float32), residual=np.zeros((1, 5, 7), np.float32))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "not a number"), (math.inf, "∞"), (0.01234, "0.0123"), (-1.5e-6, "−1.5 × 10⁻⁶"), (3e21, "3 × 10²¹"),
        (0.0, "0"),
    ],
)  # fmt: skip
def test_numbers_for_people(value: float | None, text: str) -> None:
    assert number(value) == text
