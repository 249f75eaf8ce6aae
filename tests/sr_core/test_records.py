"""Records: canonical JSON, hashes, newer schemas, and the check of a split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from sr_core.errors import SplitError, StoreError
from sr_core.raster import Window
from sr_core.records import Group, Manifest, Record, Region, Source, Split, StoreRef

PLACE = Group(kind="place", id="p1")
OTHER = Group(kind="place", id="p2")


def region(col: int, group: Group = PLACE, one_group: bool = True, source: str = "a" * 64) -> Region:
    return Region(source=source, window=Window(0, col, 50, 50), group=group, one_group=one_group)


def split(**parts: tuple[Region, ...]) -> Split:
    return Split(**{"train": (), "val": (), "calibration": (), "test": (), **parts})


def source(path: str = "x.tif", sha256: str = "a" * 64) -> Source:
    return Source(
        path=Path(path), sha256=sha256, size=7, group=PLACE, shape=(1, 50, 50), bands=("B1",), dtype="uint8", unit="DN",
    )  # fmt: skip


def test_json_round_trip_and_hash() -> None:
    ref = StoreRef(path=Path("a/b"), hash="0" * 64, made_from=("1" * 64,), train_pairs=3, val_pairs=0)
    text = ref.to_json()
    assert text.endswith("\n") and json.loads(text)["schema"] == 1
    assert StoreRef.from_json(text, "here") == ref
    assert StoreRef.from_json(text, "here").digest() == ref.digest()
    assert ref.model_copy(update={"train_pairs": 4}).digest() != ref.digest()
    whole = split(train=(region(0),), test=(region(90),), notes=("Grüße",))
    assert Split.from_json(whole.to_json(), "here") == whole


def test_digest_is_the_same_on_every_machine() -> None:
    """Fixed: a change here changes every key of every workspace."""
    assert PLACE.to_json() == '{\n "id": "p1",\n "kind": "place",\n "schema": 1\n}\n'
    assert PLACE.digest() == "64ddb84bf0b1feeb9e5562f5ce8c2b532b64d5af7aeefc95ba1e6450134f1513"


def test_infinite_values_survive() -> None:
    class Range(Record):
        ends: tuple[float, float]

    record = Range(ends=(-float("inf"), float("inf")))
    assert Range.from_json(record.to_json(), "here") == record


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "here is not JSON"), ("{", "here is not JSON"), ("[1]", "no schema number"), ('{"kind": "a", "id": "b"}', "no schema number"),
        ('{"schema": "1", "kind": "a", "id": "b"}', "no schema number"), ('{"schema": 2, "kind": "a", "id": "b"}', "here has schema 2"),
        ('{"schema": 1, "kind": "a"}', r"does not read as Group \(1 faults\)"),
        ('{"schema": 1, "kind": "a", "id": "b", "more": 1}', "does not read as Group"),
    ],
)  # fmt: skip
def test_wrong_text_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        Group.from_json(text, "here")


def test_a_newer_class_reads_older_text() -> None:
    class Newer(Group):
        schema_number: ClassVar[int] = 2

    assert Newer.from_json(PLACE.to_json(), "here").id == "p1"


def test_records_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        PLACE.id = "p2"  # type: ignore[misc]


def test_region_name_is_short_and_says_where() -> None:
    assert region(60).name == "aaaaaaaa-r0-c60-50x50"


def test_check_lets_separate_groups_and_distant_blocks_pass() -> None:
    split(train=(region(0),), val=(region(66),), calibration=(region(132),), test=(region(0, OTHER, False, "b" * 64),)).check(16)
    split(train=(region(0), region(10)), test=(region(76),)).check(16)  # blocks of one part may overlap


def test_planted_faults_are_found() -> None:
    with pytest.raises(SplitError, match="group p1 is in train and in test"):
        split(train=(region(0, one_group=False),), test=(region(0, one_group=False, source="b" * 64),)).check(16)
    with pytest.raises(SplitError, match="group p1 is in val and in calibration"):
        split(val=(region(0, one_group=True),), calibration=(region(200, one_group=False),)).check(16)
    with pytest.raises(SplitError, match=r"are 15 px apart; expected a gap of at least 16 px"):
        split(train=(region(0),), test=(region(65),)).check(16)
    with pytest.raises(SplitError, match="-10 px apart"):
        split(calibration=(region(0),), test=(region(40),)).check(0)


def test_groups_of_two_kinds_with_one_name_are_two() -> None:
    split(train=(region(0, one_group=False),), test=(region(0, Group(kind="patient", id="p1"), False),)).check(16)


def test_manifest_hash_leaves_paths_out() -> None:
    def manifest(path: str, seed: int = 1) -> Manifest:
        return Manifest(domain="photo", scale=2, gap=16, seed=seed, sources=(source(path),), refusals=(), split=split(train=(region(0),)))

    assert manifest("x.tif").content_hash() == manifest("elsewhere/y.tif").content_hash()
    assert manifest("x.tif").digest() != manifest("elsewhere/y.tif").digest()
    assert manifest("x.tif").content_hash() != manifest("x.tif", seed=2).content_hash()
    assert manifest("x.tif").source("a" * 64).path == Path("x.tif")
    with pytest.raises(StoreError, match="source bbbbbbbb; expected one of the manifest's 1 sources"):
        manifest("x.tif").source("b" * 64)
