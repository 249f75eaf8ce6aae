"""Progress over many images, and what the limits say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.batch import Failures, Overall
from flows.limits import TILES, check_disk, check_memory
from flows.naming import Place
from sr_core.errors import InputError, OutputError, WorkspaceError
from sr_core.log import Silent
from sr_core.records import Group, Source
from sr_core.stages.forecast import Forecast


class Kept(Silent):
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        self.seen.append((what, done, total))


def test_the_whole_moves_with_each_image_and_ends_at_its_total() -> None:
    log = Kept()
    overall = Overall(log, 300)
    for pixels in (100, 200):
        overall.begin(pixels)
        overall.progress("upscaling", pixels // 2, pixels)
        overall.progress("checking", 3, 16)  # other work does not move it
        overall.progress("upscaling", pixels, pixels)
        overall.end()
    whole = [done for what, done, total in log.seen if what == Overall.WHAT and total == 300]
    assert whole == [0, 50, 100, 100, 200, 300]
    assert ("checking", 3, 16) in log.seen and ("upscaling", 200, 200) in log.seen


def test_our_fault_outweighs_the_users() -> None:
    failures = Failures()
    failures.add(Path("a"), InputError("a", "b", "C."))
    assert failures.exit_code == 2
    failures.add(Path("b"), WorkspaceError("a", "b", "C."))
    failures.add(Path("c"), InputError("a", "b", "C."))
    assert failures.exit_code == 1
    assert [r.error for r in failures.refusals] == ["InputError", "WorkspaceError", "InputError"]
    assert "ZeroDivisionError: planted" in failures.add(Path("d"), ZeroDivisionError("planted")).sentence


def said(**changes: int) -> Forecast:
    body: dict[str, Any] = {
        "lr": (1, 10, 10), "sr": (1, 20, 20), "pixels": 100, "bands": 1, "passes": 1, "executor": "whole", "seconds": 1.0,
        "cpu_seconds": 1.0, "probed": True, "peak_bytes": 10**9, "output_bytes": 100, "working_bytes": 50, "free_bytes": 1000,
    }  # fmt: skip
    return Forecast(**(body | changes))


class Stub:
    def __init__(self, tile: int | None) -> None:
        self.predictor = self
        self.tile = tile


def place() -> Place:
    group = Group(kind="place", id="a")
    made = Source(path=Path("a.tif"), sha256="0" * 64, size=1, group=group, shape=(1, 10, 10), bands=("a",), dtype="uint8", unit="DN")
    return Place(made, Path("out") / "a.tif")


@pytest.mark.parametrize(("tile", "most", "offered"), [(None, 600, 512), (None, 300, 256), (256, 300, 128), (None, 70, 64)])
def test_the_largest_tile_that_fits_is_offered(tile: int | None, most: int, offered: int) -> None:
    def ask(_: Place, restorer: Any) -> Forecast:
        return said(peak_bytes=restorer.predictor.tile * 10**6)

    stub: Any = Stub(tile)
    with pytest.raises(InputError, match=f"--tile {offered} takes about {offered}.0 MB"):
        check_memory(place(), said(), most * 10**6, True, ask, stub)
    assert stub.tile == tile and offered in TILES


def test_memory_that_is_enough_says_nothing_and_none_at_all_says_what_is_needed() -> None:
    stub: Any = Stub(None)
    check_memory(place(), said(), 10**9, True, lambda *_: said(), stub)
    with pytest.raises(InputError, match=r"give --memory 1\.3GB"):
        check_memory(place(), said(peak_bytes=1_210_000_001), 10**9, False, lambda *_: said(peak_bytes=2 * 10**9), stub)


def test_a_disk_holds_all_results_and_the_working_files_of_one(tmp_path: Path) -> None:
    check_disk([(tmp_path / str(i), said(free_bytes=350)) for i in range(3)])
    with pytest.raises(OutputError, match="results of 3 images"):
        check_disk([(tmp_path / str(i), said(free_bytes=349)) for i in range(3)])
