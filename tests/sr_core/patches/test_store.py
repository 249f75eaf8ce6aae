"""The store: what goes in comes out, the format, and every way a file can be wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from sr_core.errors import StoreError
from sr_core.patches import PatchStore, find_shard, summarise, write_shard
from sr_core.patches.layout import SCHEMA
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan

OPERATOR = '{"kind": "box"}'
SOURCE = "ab" * 32
PLAN = PatchPlan(size=33, stride=14, origins="edge")


def double(x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.fixture
def folder(tmp_path: Path, make_pair, encoding: Encoding) -> Path:
    """Two sources: one with a training and a validation image, one with a training image that has a hole."""
    write_shard(tmp_path / "s1.h5", [make_pair("a"), make_pair("v", "val", 20, 30, seed=1)], PLAN, 2, encoding, OPERATOR, SOURCE)
    write_shard(tmp_path / "s2.h5", [make_pair("b", hole=(40, 50), seed=2)], PLAN, 2, encoding, OPERATOR, "cd" * 32)
    return tmp_path


def test_images_come_back_to_the_last_bit(folder: Path, make_pair) -> None:
    with PatchStore(folder) as store:
        a, b = store.images("train")
        (v,) = store.images("val")
    for got, wanted in ((a, make_pair("a")), (v, make_pair("v", "val", 20, 30, seed=1)), (b, make_pair("b", hole=(40, 50), seed=2))):
        assert (got.name, got.split) == (wanted.name, wanted.split)
        for left, right in ((got.lr, wanted.lr), (got.hr, wanted.hr)):
            np.testing.assert_array_equal(left.pixels, right.pixels)
            np.testing.assert_array_equal(left.mask, right.mask)
            assert (left.bands, left.unit, left.valid_range) == (right.bands, right.unit, right.valid_range)


def test_the_store_says_what_it_holds(folder: Path, encoding: Encoding) -> None:
    store = PatchStore(folder)
    assert (store.scale, store.plan, store.operator, store.unit) == (2, PLAN, OPERATOR, "reflectance")
    assert store.encoding == encoding and store.valid_range == encoding.valid_range
    assert store.bands == ("B1", "B2", "B3") and store.sources == (SOURCE, "cd" * 32)
    # 60 rows: 0, 14, 27; 75 columns: 0, 14, 28, 42. The hole (40, 50) is in rows 14.. and 27.., columns 28.. and 42..
    assert [s.train_pairs for s in store.shards] == [12, 8]
    assert (store.count("train"), store.count("val")) == (20, 0)
    index = store.index("train")
    assert index.dtype == np.int32 and index[:12].tolist() == [[0, r, c] for r in (0, 14, 27) for c in (0, 14, 28, 42)]
    assert index[12:].tolist() == [[1, 0, c] for c in (0, 14, 28, 42)] + [[1, r, c] for r in (14, 27) for c in (0, 14)]


def test_the_file_is_laid_out_for_index_only_crops(tmp_path: Path, make_pair) -> None:
    encoding = Encoding("uint8", low=0, high=255, scale=1 / 255)
    pair = make_pair(height=150, width=140, bands=2, encoding=encoding)
    path = tmp_path / "s.h5"
    write_shard(path, [pair], PLAN, 2, encoding, OPERATOR, SOURCE)
    with h5py.File(path) as file:
        group = file["images/00000"]
        assert {k: (v.shape, v.dtype.name) for k, v in group.items()} == {
            "lr": ((2, 150, 140), "uint8"), "hr": ((2, 300, 280), "uint8"),
            "mask_lr": ((150, 140), "bool"), "mask_hr": ((300, 280), "bool"),
        }  # fmt: skip
        assert group["hr"].chunks == group["lr"].chunks == (1, 128, 128)
        assert group["hr"].compression is None and group["lr"].compression is None
        attrs = dict(file.attrs)
    assert (attrs["format"], attrs["schema"], attrs["source"], attrs["unit"]) == ("sr-patches", SCHEMA, SOURCE, "reflectance")
    assert (attrs["dtype"], attrs["encoding_low"], attrs["encoding_high"]) == ("uint8", 0, 255)
    assert attrs["operator"] == OPERATOR and PatchPlan.from_json(attrs["plan"], "plan") == PLAN


def test_made_twice_is_the_same_bytes(folder: Path, tmp_path: Path, make_pair, encoding: Encoding) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_shard(other / "s1.h5", [make_pair("a"), make_pair("v", "val", 20, 30, seed=1)], PLAN, 2, encoding, OPERATOR, SOURCE)
    assert (other / "s1.h5").read_bytes() == (folder / "s1.h5").read_bytes()


def test_float_storage_without_bounds(tmp_path: Path, make_pair) -> None:
    encoding = Encoding.of("float32")
    pair = make_pair(encoding=encoding)
    write_shard(tmp_path / "s.h5", [pair], PLAN, 2, encoding, OPERATOR, SOURCE)
    store = PatchStore(tmp_path)
    assert store.encoding == encoding and store.valid_range == (-np.inf, np.inf)
    np.testing.assert_array_equal(next(store.images("train")).hr.pixels, pair.hr.pixels)


def test_export_is_the_classical_layout(folder: Path, tmp_path: Path) -> None:
    store = PatchStore(folder)
    assert store.export(tmp_path / "train.hdf5", "train") == 20
    images, index = list(store.images("train")), store.index("train")
    with h5py.File(tmp_path / "train.hdf5") as file:
        data, label = file["data"], file["label"]
        assert (data.shape, data.dtype) == ((20, 3, 33, 33), np.float32) and (label.shape, label.dtype) == ((20, 3, 66, 66), np.float32)
        assert data.chunks == (1, 3, 33, 33) and data.compression is None
        for at in (0, 7, 12, 19):
            number, r, c = index[at]
            np.testing.assert_array_equal(data[at], images[number].lr.pixels[:, r : r + 33, c : c + 33])
            np.testing.assert_array_equal(label[at], images[number].hr.pixels[:, 2 * r : 2 * r + 66, 2 * c : 2 * c + 66])


def test_export_on_the_hr_grid(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    pair = make_pair(height=30, width=40)
    write_shard(tmp_path / "s.h5", [pair], PatchPlan(grid="hr", origins="classic"), 2, encoding, OPERATOR, SOURCE)
    store = PatchStore(tmp_path)
    assert store.export(tmp_path / "out.hdf5", "train", double) == 2 * 4  # HR 60 x 80
    with h5py.File(tmp_path / "out.hdf5") as file:
        up = pair.lr.pixels.repeat(2, 1).repeat(2, 2)
        np.testing.assert_array_equal(file["data"][5], up[:, 14:47, 14:47])
        np.testing.assert_array_equal(file["label"][5], pair.hr.pixels[:, 14:47, 14:47])
    with pytest.raises(StoreError, match="Pass upscale"):
        store.export(tmp_path / "bad.hdf5", "train")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.hdf5", "s.h5"]


def test_export_of_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no val patch"):
        PatchStore(folder).export(tmp_path / "val.hdf5", "val")
    assert not (tmp_path / "val.hdf5").exists()


def test_summary_names_the_stride_for_enough_pairs(folder: Path) -> None:
    store = PatchStore(folder)
    counts = summarise(store, wanted=200)
    assert (counts.train, counts.val) == (20, 0)
    assert counts.stride_wanted == 3  # 10 x 15 places of image a, and those of image b that miss the hole
    assert counts.sentence(store.plan).endswith("Stride 3 would give 200: patches.stride=3.")
    assert summarise(store, wanted=20).sentence(store.plan) == "20 training and 0 validation pairs (33 x 33 px at stride 14, LR grid)."
    assert "Not even stride 1 gives 9,999" in summarise(store, wanted=9999).sentence(store.plan)


def test_verify_finds_one_changed_pixel(folder: Path) -> None:
    PatchStore(folder).verify()
    with h5py.File(folder / "s2.h5", "a") as file:
        file["images/00000/hr"][1, 7, 9] += 1
    with pytest.raises(StoreError, match=r"s2\.h5: images/00000/hr differs from what was written.*Delete the file"):
        PatchStore(folder).verify()


@pytest.mark.parametrize("target", ["index/train", "images/00000/mask_lr", "images/00000/lr"])
def test_verify_finds_any_change_even_with_its_hash_mended(folder: Path, target: str) -> None:
    from sr_core.patches.layout import array_digest

    with h5py.File(folder / "s1.h5", "a") as file:
        data = file[target]
        data[(0,) * data.ndim] = not data[(0,) * data.ndim]
        data.attrs["sha256"] = array_digest(data)
    with pytest.raises(StoreError, match=r"s1\.h5: its content differs from its digest"):
        PatchStore(folder).verify()


def test_a_truncated_file_is_named_with_its_remedy(folder: Path) -> None:
    path = folder / "s1.h5"
    whole = path.read_bytes()
    for share in (0.0, 0.01, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(StoreError, match=r"s1\.h5 cannot be read .*prepare again"):
            PatchStore(folder)


@pytest.mark.parametrize("name", ["images/00000/hr", "images/00000/mask_lr", "index/train", "images"])
def test_missing_datasets_are_named(folder: Path, name: str) -> None:
    with h5py.File(folder / "s1.h5", "a") as file:
        del file[name]
    with pytest.raises(StoreError, match=r"s1\.h5.*(prepare again)"):
        PatchStore(folder)


@pytest.mark.parametrize("name", ["schema", "plan", "dtype", "valid_range", "request", "digest"])
def test_missing_attributes_are_errors_in_words(folder: Path, name: str) -> None:
    with h5py.File(folder / "s1.h5", "a") as file:
        del file.attrs[name]
    with pytest.raises(StoreError, match=r"s1\.h5"):
        PatchStore(folder)


def test_a_newer_schema_is_refused(folder: Path) -> None:
    with h5py.File(folder / "s1.h5", "a") as file:
        file.attrs["schema"] = SCHEMA + 1
    with pytest.raises(StoreError, match=rf"s1\.h5 has schema {SCHEMA + 1}; expected .*schema {SCHEMA} or older\. Install a newer version"):
        PatchStore(folder)


def test_a_changed_header_is_refused(folder: Path) -> None:
    with h5py.File(folder / "s1.h5", "a") as file:
        file.attrs["encoding_scale"] = 2e-4
    with pytest.raises(StoreError, match="header was changed"):
        PatchStore(folder)


def test_foreign_files_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no shard"):
        PatchStore(tmp_path)
    with pytest.raises(StoreError, match="no shard"):
        PatchStore(tmp_path / "missing")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = [1]
    with pytest.raises(StoreError, match="not a patch store"):
        PatchStore(tmp_path)
    (tmp_path / "x.h5").write_text("hello")
    with pytest.raises(StoreError, match="cannot be read"):
        PatchStore(tmp_path)


@pytest.mark.parametrize("change", ["plan", "operator"])
def test_shards_of_two_preparations_do_not_mix(folder: Path, make_pair, encoding: Encoding, change: str) -> None:
    plan = PatchPlan(stride=7) if change == "plan" else PLAN
    operator = '{"kind": "bicubic"}' if change == "operator" else OPERATOR
    write_shard(folder / "s3.h5", [make_pair("c", seed=3)], plan, 2, encoding, operator, "ef" * 32)
    with pytest.raises(StoreError, match=f"s3.h5 has {change}"):
        PatchStore(folder)


def test_a_shard_deleted_under_a_store_is_named(folder: Path) -> None:
    store = PatchStore(folder)
    (folder / "s2.h5").unlink()
    with pytest.raises(StoreError, match=r"s2\.h5 is not there"):
        list(store.images("train"))


def test_a_store_may_move(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("s1.h5", "s2.h5"):
        shutil.move(folder / name, moved / name)
    PatchStore(moved).verify()


def test_a_finished_shard_is_found_by_its_request(folder: Path) -> None:
    with h5py.File(folder / "s1.h5") as file:
        request = file.attrs["request"]
    assert find_shard(folder / "s1.h5", request) == PatchStore(folder).shards[0]
    assert find_shard(folder / "s2.h5", request) is None
    assert find_shard(folder / "none.h5", request) is None
    (folder / "s1.h5").write_bytes(b"")
    assert find_shard(folder / "s1.h5", request) is None
