"""Windows, encodings and rasters by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.errors import ShapeError, UnitError
from sr_core.raster import Encoding, Raster, Window, windows


@pytest.mark.parametrize("window", [(0, 0, 0, 1), (0, 0, 1, 0), (-1, 0, 1, 1), (0, -1, 1, 1)])
def test_impossible_windows_are_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ShapeError, match="height, width >= 1"):
        Window(*window)


def test_window_arithmetic() -> None:
    window = Window(4, 6, 10, 20)
    assert window.scaled(3) == Window(12, 18, 30, 60)
    assert window.slices() == (slice(4, 14), slice(6, 26))
    grown = window.grown(5, height=16, width=100)
    assert grown == Window(0, 1, 16, 30)
    assert window.inside(grown) == Window(4, 5, 10, 20)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 25))
@settings(derandomize=True)
def test_windows_cover_every_pixel_once(height: int, width: int, size: int) -> None:
    seen = np.zeros((height, width), int)
    for window in windows(height, width, size):
        assert window.height <= size and window.width <= size
        seen[window.slices()] += 1
    assert (seen == 1).all()


def test_encoding_of_scaled_integers() -> None:
    encoding = Encoding("uint16", scale=1e-4, offset=-0.1, low=1, high=10_000)
    assert encoding.step == 1e-4 and encoding.valid_range == pytest.approx((-0.0999, 0.9))
    stored = encoding.encode(np.array([-5.0, -0.1, 0.0, 0.25, 9.0]))
    assert stored.dtype == np.uint16 and stored.tolist() == [1, 1, 1000, 3500, 10_000]
    np.testing.assert_allclose(encoding.decode(stored), [-0.0999, -0.0999, 0.0, 0.25, 0.9], atol=1e-7)


def test_encoding_rounds_half_to_even_and_keeps_every_stored_value() -> None:
    encoding = Encoding("uint8")
    assert encoding.encode(np.array([0.5, 1.5, 2.5, 300.0, -3.0])).tolist() == [0, 2, 2, 255, 0]
    for kind, scale, offset in (("uint8", 1 / 255, 0.0), ("int16", 1.0, -1024.0), ("uint16", 1e-4, -0.1), ("int16", -0.5, 3.0)):
        encoding = Encoding(kind, scale, offset)
        info = np.iinfo(kind)
        stored = np.arange(info.min, info.max + 1).astype(kind)
        np.testing.assert_array_equal(encoding.encode(encoding.decode(stored)), stored)


def test_an_encoding_without_limits_is_the_whole_type() -> None:
    assert Encoding("uint8") == Encoding.of("uint8") == Encoding("uint8", low=0, high=255)
    assert Encoding("int16", low=-(10**9)).low == -32768
    assert Encoding("float32").valid_range == (-np.inf, np.inf) and Encoding("float32").step == 0
    assert Encoding("uint8", scale=-2.0, offset=1.0).valid_range == (-509.0, 1.0)


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": np.nan}, {"offset": np.inf}, {"low": 5, "high": 5}, {"low": 300}])
def test_impossible_encodings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UnitError, match="Mend the file's header"):
        Encoding("uint8", **wrong)


def test_a_raster_is_of_one_shape() -> None:
    pixels, mask = np.zeros((2, 3, 4), np.float32), np.ones((3, 4), bool)
    Raster(pixels, mask, ("a", "b"), "DN", (0.0, 1.0))
    for wrong in ((pixels[0], mask, ("a",)), (pixels, mask.T, ("a", "b")), (pixels, mask, ("a",))):
        with pytest.raises(ShapeError, match=r"pixels \(C, H, W\)"):
            Raster(*wrong, "DN", (0.0, 1.0))


@pytest.mark.parametrize(
    ("encoding", "exact"),
    [
        (Encoding("uint16", 1e-4, -0.1, 1, 20_000), True),
        (Encoding("int16", 1.0, -1024.0), True),
        (Encoding("uint8"), True),
        (Encoding("uint16", 1e-9, 1.0), False),
        (Encoding("uint32"), False),
        (Encoding("float32"), False),
    ],
)
def test_exact_says_whether_every_stored_value_comes_back(encoding: Encoding, exact: bool) -> None:
    assert encoding.exact is exact


def test_holds_looks_at_both_ends() -> None:
    encoding = Encoding("uint16", low=2, high=9)
    assert [encoding.holds(np.array(values, np.uint16)) for values in ([2, 9], [1, 9], [2, 10], [])] == [True, False, False, True]
