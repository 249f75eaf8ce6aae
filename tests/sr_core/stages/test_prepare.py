"""Preparing by windows: the bits of the whole, and memory that does not follow the scene."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import ENCODING, StoredToyScene, ToyDomain, ToyScene, texture

from sr_core.errors import InputError, SRError
from sr_core.operators import Operator, make_operator
from sr_core.patches import PairImage, write_shard
from sr_core.raster import Encoding, Raster, Window
from sr_core.recipe import PatchPlan
from sr_core.records import Group, Region, Source
from sr_core.stages import cutting
from sr_core.stages.cutting import RegionPair, region_pair, window_count
from sr_core.stages.regions import REACH, degrade, degrade_window, multiple

PLAN = PatchPlan()


def source_of(path: Path, shape: tuple[int, int, int], number: int = 0) -> Source:
    sha = f"{number:02x}" * 32
    bands = tuple(f"B{i}" for i in range(shape[0]))
    group = Group(kind="place", id=str(number))
    return Source(path=path, sha256=sha, size=1, group=group, shape=shape, bands=bands, dtype="uint16", unit="reflectance")


def region_of(source: Source, window: Window) -> Region:
    return Region(source=source.sha256, window=window, group=source.group)


class StoredDomain(ToyDomain):
    """Its scenes give stored values, too."""

    def open(self, source: Source) -> StoredToyScene:
        return StoredToyScene(source.path)


def windowed(
    path: Path,
    stored: np.ndarray,
    operator: Operator,
    window: Window,
    step: Callable[[], None] = lambda: None,
    domain: ToyDomain | None = None,
) -> RegionPair:
    np.save(path, stored)
    source = source_of(path, stored.shape)
    with ToyScene(path) as scene:
        return region_pair(domain or ToyDomain(), source, region_of(source, window), "train", operator, scene, step)


def whole(path: Path, operator: Operator, window: Window, name: str) -> PairImage:
    with ToyScene(path) as scene:
        pair = degrade(scene.read(multiple(window, operator.scale)), scene.encoding, operator)
    return PairImage(name, "train", pair.lr, pair.hr)


def holes(stored: np.ndarray, rng: np.random.Generator) -> None:
    """Put specks, and a hole wider than twice the reach, into an image."""
    height, width = stored.shape[1:]
    specks = rng.random((height, width)) < rng.choice([0.0, 0.0002, 0.002])
    stored[:, specks] = 0
    if rng.random() < 0.6:
        row, col = rng.integers(0, height // 2), rng.integers(0, width // 2)
        stored[:, row : row + rng.integers(20, 200), col : col + rng.integers(20, 200)] = 0


@pytest.mark.long
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([("bicubic", {}), ("box", {}), ("gaussian", {"sigma": 1.6, "taps": 7}), ("mtf", {"value": 0.25})]),
    st.integers(2, 4),
    st.sampled_from(["lr", "hr"]),
)
@settings(derandomize=True, max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_give_the_digest_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, kind: tuple[str, dict[str, float]], scale: int, grid: str
) -> None:
    monkeypatch.setattr(cutting, "HR_COLUMNS", 96)
    rng = np.random.default_rng(seed)
    operator = make_operator(kind[0], scale, **kind[1])
    stored = rng.integers(1, 5000, (2, int(rng.integers(130, 290)) * scale + 7, int(rng.integers(40, 90)) * scale + 5)).astype(np.uint16)
    holes(stored, rng)
    window = Window(3, 1, stored.shape[1] - 4, stored.shape[2] - 3)
    pair = windowed(tmp_path / "scene.npy", stored, operator, window)
    kept = windowed(tmp_path / "scene.npy", stored, operator, window, domain=StoredDomain())
    assert pair.steps >= 2
    image = whole(tmp_path / "scene.npy", operator, window, pair.name)
    plan = PatchPlan(grid=grid, size=33, stride=14)
    infos = []
    for name, of in (("windows", pair), ("stored", kept), ("whole", image)):
        (tmp_path / f"{name}.h5").unlink(missing_ok=True)
        infos.append(write_shard(tmp_path / f"{name}.h5", [of], plan, scale, ENCODING, operator.to_json(), "ab" * 32))
    assert len({(info.content, info.train_pairs) for info in infos}) == 1
    assert len({(tmp_path / f"{name}.h5").read_bytes() for name in ("windows", "stored", "whole")}) == 1


@pytest.mark.parametrize(
    "encoding",
    [
        Encoding("uint16"),  # stored values are the physical ones
        Encoding("uint16", 1e-4, -0.1, 1, 20_000),
        Encoding("int16", 1.0, -1024.0, -1000, 3000),  # some stored values lie outside: they are cut
        Encoding("uint16", 1e-9, 1.0),  # float32 cannot tell neighbours apart: values change when they are decoded
    ],
)
def test_stored_values_are_kept_only_where_they_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: Encoding) -> None:
    rng = np.random.default_rng(5)
    stored = rng.integers(-1100 if encoding.dtype == "int16" else 1, 5000, (2, 300, 200)).astype(encoding.dtype)
    stored[stored == 0] = 1
    stored[:, 200, 100] = 0  # one window has a hole
    monkeypatch.setattr(ToyScene, "encoding", encoding)
    monkeypatch.setattr(cutting, "HR_COLUMNS", 128)
    operator, window = make_operator("bicubic", 2), Window(0, 0, 300, 200)
    pair = windowed(tmp_path / "s.npy", stored, operator, window, domain=StoredDomain())
    image = whole(tmp_path / "s.npy", operator, window, pair.name)
    infos = [
        write_shard(tmp_path / name, [of], PLAN, 2, encoding, operator.to_json(), "ab" * 32) for name, of in (("a", pair), ("b", image))
    ]
    assert infos[0].content == infos[1].content


def test_any_window_is_that_window_of_the_whole() -> None:
    stored = texture(200, 180)
    stored[:, 60:140, 40:55] = 0
    operator = make_operator("bicubic", 2)
    image = Raster(ENCODING.decode(stored), (stored != 0).all(axis=0), ("a", "b"), "reflectance", ENCODING.valid_range)

    def read(w: Window) -> Raster:
        rows, cols = w.slices()
        return Raster(image.pixels[:, rows, cols], image.mask[rows, cols], image.bands, image.unit, image.valid_range)

    all_of_it = degrade(image, ENCODING, operator)
    for window in (Window(0, 0, 1, 1), Window(25, 15, 40, 20), Window(99, 89, 1, 1), Window(0, 0, 100, 90)):
        part = degrade_window(read, window, (200, 180), ENCODING, operator)
        for mine, reference, place in ((part.lr, all_of_it.lr, window), (part.hr, all_of_it.hr, window.scaled(2))):
            rows, cols = place.slices()
            np.testing.assert_array_equal(mine.pixels, reference.pixels[:, rows, cols])
            np.testing.assert_array_equal(mine.mask, reference.mask[rows, cols])


def test_a_hole_is_filled_as_far_as_the_reach_only() -> None:
    stored = np.full((1, 40, 300), 2000, np.uint16)
    stored[:, :, 100:] = 0
    image = Raster(ENCODING.decode(stored), stored[0] != 0, ("a",), "reflectance", ENCODING.valid_range)
    filled = degrade(image, ENCODING, make_operator("box", 2)).hr.pixels[0, 7]
    assert filled[99 + REACH] == np.float32(2.0) and filled[100 + REACH] == np.float32(0.001)  # 0 is below the smallest valid value


def test_an_operator_without_windows_takes_the_whole(tmp_path: Path) -> None:
    kinds = [kind for kind in ("kspace",) if _made(kind)]
    if not kinds:
        pytest.skip("no operator here sees the whole image")
    operator = make_operator(kinds[0], 2)
    stored, window = texture(300, 280), Window(0, 0, 300, 280)
    pair = windowed(tmp_path / "s.npy", stored, operator, window)
    assert pair.steps == window_count(window, operator) == 1
    infos = [
        write_shard(tmp_path / name, [of], PLAN, 2, ENCODING, operator.to_json(), "ab" * 32)
        for name, of in (("a.h5", pair), ("b.h5", whole(tmp_path / "s.npy", operator, window, pair.name)))
    ]
    assert infos[0].content == infos[1].content
    stored[:, 9, 9] = 0
    with pytest.raises(InputError, match=r"1 unusable pixels, and the operator .*finite reach"):
        list(windowed(tmp_path / "s.npy", stored, operator, window).strips(ENCODING))


def _made(kind: str) -> bool:
    try:
        return not make_operator(kind, 2).windowed
    except SRError:
        return False


@dataclass
class Endless:
    """A scene that makes its pixels when they are read."""

    shape: tuple[int, int, int]
    bands = ("B0", "B1")
    unit = "reflectance"
    encoding = ENCODING

    def read(self, window: Window) -> Raster:
        pixels = np.full((2, window.height, window.width), 0.5, np.float32)
        return Raster(pixels, np.ones(pixels.shape[1:], bool), self.bands, self.unit, self.encoding.valid_range)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


@dataclass
class EndlessDomain(ToyDomain):
    def open(self, source: Source) -> Endless:  # type: ignore[override]
        return Endless(source.shape)


def peak_of(folder: Path, height: int) -> int:
    source = source_of(Path("none"), (2, height, 512))
    operator = make_operator("bicubic", 2)
    region = region_of(source, Window(0, 0, height, 512))
    pair = region_pair(EndlessDomain(), source, region, "train", operator, Endless(source.shape), lambda: None)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        write_shard(folder / f"{height}.h5", [pair], PLAN, 2, ENCODING, operator.to_json(), source.sha256)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.long
def test_memory_does_not_grow_with_the_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "IN_FLIGHT", 2)  # how many wait is chance
    small, large = peak_of(tmp_path, 12 * 512), peak_of(tmp_path, 48 * 512)
    pixels = 2 * 512 * 36 * 512 * 2  # bytes in which they differ
    assert large - small < pixels / 10
