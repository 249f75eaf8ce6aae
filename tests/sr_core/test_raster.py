"""Windows, encodings and rasters by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_core.errors import ShapeError, UnitError
from sr_core.raster import Encoding, Raster, Window, cache_blocks, windows


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


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32"])
def test_values_are_encoded_block_by_block_as_at_once(kind: str) -> None:
    encoding = Encoding(kind, 0.013, -2.0, low=1)
    values = np.random.default_rng(0).normal(0, 900, (3, 257, 311)).astype(np.float32)
    at_once = (values.astype(np.float64) + 2.0) / 0.013
    if encoding.is_integer:
        at_once = np.clip(np.rint(at_once), encoding.low, encoding.high)
    at_once = at_once.astype(kind)
    np.testing.assert_array_equal(encoding.encode(values), at_once)
    np.testing.assert_array_equal(encoding.encode(values.transpose(2, 0, 1)), at_once.transpose(2, 0, 1))
    assert encoding.encode(values[0, 0, 0]) == at_once[0, 0, 0]


def test_what_is_not_known_is_not_encoded_and_what_is_cut_is_counted() -> None:
    encoding = Encoding("uint8", 1.0, 10.0, low=1)
    values = np.array([[10.4, 10.6, 265.49, 265.51], [np.nan, np.inf, -5.0, 60.0]], np.float32)
    stored, clipped = encoding.encode_known(values, np.array([[True] * 4, [False, False, True, True]]))
    assert stored.tolist() == [[1, 1, 255, 255], [1, 1, 1, 50]] and clipped == 3  # 10.4, 265.51 and -5
    room = np.zeros((2, 9, 4), np.uint8)
    encoding.encode_known(values, np.isfinite(values), out=room[:, 4])
    assert room[:, 4].tolist() == stored.tolist() and room[:, :4].sum() == room[:, 5:].sum() == 0


def test_cache_blocks_are_all_of_the_arrays() -> None:
    for shape in ((), (7,), (100_000,), (2, 3, 40_000), (0, 5), (3, 0), (200, 300)):
        counts, other = np.zeros(shape, int), np.ones(shape)
        for part, same in cache_blocks(counts, other):
            assert part.size <= 1 << 15 and part.shape == same.shape
            part += 1
        assert (counts == 1).all()


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
