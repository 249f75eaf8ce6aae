"""Writing a shard: atomic, resumable, one writer; and what is refused."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sr_core.errors import InputError, ShapeError, StoreError, UnitError
from sr_core.patches import PairImage, PatchStore, find_shard, write_shard
from sr_core.patches.atomic import hdf5_atomic
from sr_core.patches.shard import header_of
from sr_core.patches.strips import Strip
from sr_core.raster import Encoding, Raster
from sr_core.recipe import PatchPlan

PLAN = PatchPlan(size=33, stride=14, origins="edge")
SOURCE = "ab" * 32


def write(path: Path, images: list[PairImage], encoding: Encoding, plan: PatchPlan = PLAN):
    return write_shard(path, images, plan, 2, encoding, "{}", SOURCE)


def test_a_finished_shard_is_kept(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    path = tmp_path / "s.h5"
    first = write(path, [make_pair()], encoding)
    before = path.stat()
    assert write(path, [make_pair()], encoding) == first
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


CONTENT = {"lr": "a728f8786abac5f74ca4b656910b639e098985b822c77da3e7f41bf90eec0dea",
           "hr": "7d01da69012c7feec0c8497e85aa353d94e4fd29fa128a0b7b1958f3fd7effd7"}  # fmt: skip


@pytest.mark.parametrize("grid", list(CONTENT))
def test_content_is_what_the_first_writer_of_this_schema_made(tmp_path: Path, make_pair, encoding: Encoding, grid: str) -> None:
    images = [make_pair("a", height=300, width=140, hole=(40, 50)), make_pair("v", "val", 20, 30, seed=1)]
    plan = PatchPlan(grid=grid, size=33, stride=14, origins="edge")
    info = write_shard(tmp_path / "s.h5", images, plan, 2, encoding, '{"kind": "box"}', SOURCE)
    assert info.content == CONTENT[grid]
    PatchStore(tmp_path).verify()


@dataclasses.dataclass(frozen=True)
class Short(PairImage):
    """A pair whose last strip does not come."""

    def strips(self, encoding: Encoding) -> Generator[Strip]:
        yield from list(super().strips(encoding))[:-1]


def test_a_pair_that_ends_early_is_refused(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    pair = make_pair(height=300)
    with pytest.raises(ShapeError, match="a: 256 rows of lr; expected 300 rows"):
        write(tmp_path / "s.h5", [Short(pair.name, pair.split, pair.lr, pair.hr)], encoding)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_shard_is_found_only_unchecked(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    path = tmp_path / "s.h5"
    info = write(path, [make_pair()], encoding)
    request = header_of([make_pair()], PLAN, 2, encoding, "{}", SOURCE).digest()
    whole = path.read_bytes()
    assert find_shard(path, request) == find_shard(path, request, check=True) == info
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert (find_shard(path, request), find_shard(path, request, check=True)) == (info, None)
    path.write_bytes(whole[:middle])
    assert find_shard(path, request) is None
    with pytest.raises(StoreError, match=r"s\.h5 cannot be read .*Delete the file and prepare again"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("change", ["pixels", "plan", "split"])
def test_another_request_is_written_anew(tmp_path: Path, make_pair, encoding: Encoding, change: str) -> None:
    path = tmp_path / "s.h5"
    first = write(path, [make_pair()], encoding)
    pair = make_pair(seed=5 if change == "pixels" else 0, split="val" if change == "split" else "train")
    second = write(path, [pair], encoding, PatchPlan(stride=7) if change == "plan" else PLAN)
    assert second.content != first.content
    assert PatchStore(tmp_path).shards == (second,)


def test_a_damaged_shard_is_written_anew(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    path = tmp_path / "s.h5"
    first = write(path, [make_pair()], encoding)
    whole = path.read_bytes()
    middle = len(whole) // 2
    for damaged in (whole[:1000], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        path.write_bytes(damaged)
        assert write(path, [make_pair()], encoding) == first
        assert path.read_bytes() == whole


def test_what_a_killed_writer_left_is_taken_over(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    path, leftover = tmp_path / "s.h5", tmp_path / "s.h5.partial"
    leftover.write_bytes(b"half a file")
    write(path, [make_pair()], encoding)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
    leftover.write_bytes(b"half a file")  # killed between two writers: the finished shard stands
    write(path, [make_pair()], encoding)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
    PatchStore(tmp_path).verify()


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), hdf5_atomic(tmp_path / "s.h5") as file:
        file["x"] = [1]
        raise KeyError("stop")
    assert list(tmp_path.iterdir()) == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with hdf5_atomic(path) as file:
        file["x"] = [1]
        with pytest.raises(StoreError, match=r"s\.h5\.partial is being written elsewhere"), hdf5_atomic(path):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]


def test_a_missing_folder_is_named(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    with pytest.raises(StoreError, match=r"gone/s\.h5 cannot be written \(No such file"):
        write(tmp_path / "gone" / "s.h5", [make_pair()], encoding)


def read_all(folder: str) -> tuple[int, float]:
    store = PatchStore(Path(folder))
    store.verify()
    return os.getpid(), float(sum(image.hr.pixels.sum(dtype=np.float64) for image in store.images("train")))


@pytest.mark.long
def test_two_processes_read_at_once(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    write(tmp_path / "s.h5", [make_pair()], encoding)
    PatchStore(tmp_path)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(read_all, [str(tmp_path)] * 4, chunksize=1)
    assert {total for _, total in results} == {read_all(str(tmp_path))[1]}


@given(
    st.integers(0, 2**32 - 1), st.integers(2, 3), st.sampled_from(["classic", "edge"]), st.sampled_from(["lr", "hr"]), st.floats(0, 0.02)
)
@settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_patch_touches_nodata_of_either_grid(tmp_path: Path, seed: int, scale: int, rule: str, grid: str, share: float) -> None:
    rng = np.random.default_rng(seed)
    h, w = (int(n) for n in rng.integers(11, 30, 2))
    mask_lr, mask_hr = rng.random((h, w)) >= share, rng.random((h * scale, w * scale)) >= share / 4
    image = PairImage(
        "a", "train",
        Raster(np.where(mask_lr, 1, np.nan)[None].astype(np.float32), mask_lr, ("B1",), "DN", (0.0, 255.0)),
        Raster(np.where(mask_hr, 1, np.nan)[None].astype(np.float32), mask_hr, ("B1",), "DN", (0.0, 255.0)),
    )  # fmt: skip
    plan = PatchPlan(grid=grid, size=11, stride=5, origins=rule)
    write_shard(tmp_path / "s.h5", [image], plan, scale, Encoding("uint8"), "{}", SOURCE)
    finer = scale if grid == "lr" else 1
    coarse_on_grid = mask_lr if grid == "lr" else mask_lr.repeat(scale, 0).repeat(scale, 1)
    for _, r, c in PatchStore(tmp_path).index("train").tolist():
        assert coarse_on_grid[r : r + 11, c : c + 11].all()
        assert mask_hr[r * finer : (r + 11) * finer, c * finer : (c + 11) * finer].all()


def test_small_training_images_are_refused_and_small_validation_images_are_not(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    with pytest.raises(ShapeError, match=r"training image tiny of 32 x 60 px on the LR grid; expected at least 33 x 33 px"):
        write(tmp_path / "s.h5", [make_pair("tiny", height=32, width=60)], encoding)
    assert list(tmp_path.iterdir()) == []
    info = write(tmp_path / "s.h5", [make_pair("tiny", "val", height=32, width=60)], encoding)
    assert (info.train_pairs, info.val_pairs) == (0, 0)
    on_hr = write(tmp_path / "h.h5", [make_pair(height=17, width=17)], encoding, PatchPlan(grid="hr"))
    assert on_hr.train_pairs == 4  # 34 x 34: at 0 and 1


def test_sides_must_match_the_scale(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    pair = make_pair()
    cut = dataclasses.replace(pair.hr, pixels=pair.hr.pixels[:, :-1], mask=pair.hr.mask[:-1])
    with pytest.raises(ShapeError, match=r"LR 60 x 75 px with HR 119 x 150 px; expected HR 120 x 150 px at scale 2"):
        write(tmp_path / "s.h5", [dataclasses.replace(pair, hr=cut)], encoding)


def test_non_finite_pixels_need_a_mask(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    pair = make_pair(hole=(3, 4))
    pair.hr.pixels[:, 6, 8] = np.nan  # in the hole: allowed
    write(tmp_path / "s.h5", [pair], encoding)
    assert np.isfinite(next(PatchStore(tmp_path).images("train")).hr.pixels).all()
    pair.hr.pixels[1, 0, 0] = np.inf
    with pytest.raises(InputError, match=r"a: 1 HR values are not finite"):
        write(tmp_path / "t.h5", [pair], encoding)


def test_images_of_a_source_agree(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    with pytest.raises(UnitError, match="One source has one set of bands"):
        write(tmp_path / "s.h5", [make_pair("a"), make_pair("b", bands=2)], encoding)
    with pytest.raises(InputError, match="no image"):
        write(tmp_path / "s.h5", [], encoding)
