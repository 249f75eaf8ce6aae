from __future__ import annotations

from pathlib import Path

import pytest

from flows.delivery import output_name
from sr_core.records import Group, Source


def source(path: Path) -> Source:
    return Source(
        path=path, sha256="0" * 64, size=1, group=Group(kind="place", id="a"), shape=(1, 8, 8), bands=("a",), dtype="uint8", unit="DN"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scene.tif", "scene_x2.tif"),
        ("S2.v1.TIFF", "S2.v1_x2.TIFF"),
        ("a.jp2", "a_x2.tif"),
        ("p.jpg", "p_x2.jpg"),
        ("no_suffix", "no_suffix_x2.tif"),
    ],
)
def test_output_keeps_the_formats_that_are_written_as_read(name: str, expected: str, tmp_path: Path) -> None:
    assert output_name(source(tmp_path / name), 2) == expected


def test_a_series_becomes_a_folder(tmp_path: Path) -> None:
    (tmp_path / "ct.1.2").mkdir()
    assert output_name(source(tmp_path / "ct.1.2"), 3) == "ct.1.2_x3"
    (tmp_path / "S2A.SAFE").mkdir()
    assert output_name(source(tmp_path / "S2A.SAFE"), 2) == "S2A_x2.tif"
