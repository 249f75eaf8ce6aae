from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from flows.storage import prune, read_size, results, size_text
from sr_core.errors import InputError


def put(root: Path, stage: str, key: str, size: int, used: float) -> Path:
    folder = root / stage / key
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"x" * size)
    record = folder / "record.json"
    record.write_text("")
    os.utime(record, (used, used))
    return folder


def test_least_recently_used_results_go_first(tmp_path: Path) -> None:
    old, middle, new = (put(tmp_path, "train", name, 100, used) for name, used in (("a", 1.0), ("b", 2.0), ("c", 3.0)))
    assert [r.path for r in results(tmp_path)] == [old, middle, new]
    gone = prune(tmp_path, 150)
    assert [r.path for r in gone] == [old, middle]
    assert (old.exists(), middle.exists(), new.exists()) == (False, False, True)
    assert not list(tmp_path.rglob("*.partial"))


def test_dry_run_and_enough_room_remove_nothing(tmp_path: Path) -> None:
    folder = put(tmp_path, "train", "a", 100, 1.0)
    assert [r.path for r in prune(tmp_path, 0, dry_run=True)] == [folder]
    assert prune(tmp_path, 1000) == ()
    assert folder.exists()


def test_a_result_in_use_and_the_registry_are_left_alone(tmp_path: Path) -> None:
    folder = put(tmp_path, "train", "a", 100, 1.0)
    kept = put(tmp_path, "mlflow", "m-1", 100, 1.0)
    with FileLock(str(folder.with_suffix(".lock"))):
        assert prune(tmp_path, 0) == ()
    assert folder.exists() and kept.exists()


@pytest.mark.parametrize(("text", "size"), [("50GB", 50 * 10**9), ("1.5t", 15 * 10**11), ("800 MB", 8 * 10**8), ("12", 12), ("3k", 3000)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 PB", "1e3"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="50GB"):
        read_size(text)


def test_size_in_words() -> None:
    assert [size_text(n) for n in (0, 999, 1500, 12_300_000, 5 * 10**9, 2 * 10**12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "12.3 MB",
        "5.0 GB",
        "2.0 TB",
    ]
