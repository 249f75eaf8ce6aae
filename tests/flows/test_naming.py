"""Output places: file, folder, pattern; what each field is."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.naming import places
from sr_core.errors import InputError, OutputError
from sr_core.records import Group, Source


def source(path: Path) -> Source:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    group = Group(kind="place", id="a")
    return Source(path=path.resolve(), sha256="0" * 64, size=1, group=group, shape=(1, 8, 8), bands=("a",), dtype="uint8", unit="DN")


def targets(sources: list[Source], given: list[Path], out: str, domain: str = "satellite") -> list[str]:
    return [str(p.target) for p in places(sources, given, out, scale=2, model="sr-satellite-3", domain=domain)]


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("{stem}|{name}|{suffix}|{scale}|{model}", "b.v1|b.v1.tif|.tif|2|sr-satellite-3"),
        ("sr/{parent}/{stem}{suffix}", "sr/2024/may/b.v1.tif"),
        ("sr/{{x}}/{stem}", "sr/{x}/b.v1"),
        ("/abs/{parent}/x", "/abs/2024/may/x"),
        ("{parent}/{stem}", "2024/may/b.v1"),
    ],
)
def test_fields(out: str, expected: str, tmp_path: Path) -> None:
    assert targets([source(tmp_path / "in/2024/may/b.v1.tif")], [tmp_path / "in"], out) == [expected]


def test_an_empty_parent_does_not_lead_to_the_root(tmp_path: Path) -> None:
    one = source(tmp_path / "in" / "a.tif")
    assert targets([one], [tmp_path / "in"], "{parent}/{stem}") == ["a"]
    assert targets([one], [one.path], "sr/{parent}/{stem}") == ["sr/a"]


@pytest.mark.parametrize(
    ("out", "given", "expected"),
    [
        ("o.tif", "file", "o.tif"),
        ("o", "file", "o"),
        ("o", "folder", "o/a_x2.tif"),
        ("o/", "file", "o/a_x2.tif"),
        ("o.tif", "folder", "o.tif"),
        ("{{o}}.tif", "file", "{o}.tif"),
    ],
)
def test_one_image_to_a_file_or_a_folder(out: str, given: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = source(tmp_path / "in" / "a.tif")
    assert targets([one], [one.path if given == "file" else tmp_path / "in"], out) == [expected]
    (tmp_path / "there").mkdir()
    assert targets([one], [one.path], "there") == ["there/a_x2.tif"]


@pytest.mark.parametrize(
    ("name", "domain", "expected"),
    [("p.webp", "photo", "p_x2.webp"), ("IM0001", "medical", "IM0001_x2.dcm"), ("1.2.840.7", "medical", "1.2.840.7_x2.dcm"),
     ("a.jp2", "satellite", "a_x2.tif"), ("A.TIF", "satellite", "A_x2.TIF")],
)  # fmt: skip
def test_endings(name: str, domain: str, expected: str, tmp_path: Path) -> None:
    one = source(tmp_path / name)
    assert targets([one], [one.path], "o/", domain) == [f"o/{expected}"]


def test_many_images_need_a_folder_or_fields(tmp_path: Path) -> None:
    two = [source(tmp_path / name) for name in ("a.tif", "b.tif")]
    with pytest.raises(InputError, match="For instance: --out"):
        targets(two, [], "o.tif")
    assert targets(two, [], "o.v2") == ["o.v2/a_x2.tif", "o.v2/b_x2.tif"]
    with pytest.raises(OutputError, match=r"a\.tif and .*b\.tif would both go to o2\.tif"):
        targets(two, [], "o{scale}.tif")


def test_a_domain_of_another_package_writes_what_it_reads(tmp_path: Path) -> None:
    one = source(tmp_path / "in" / "alps.npy")
    assert targets([one], [tmp_path / "in"], "{stem}_x{scale}{suffix}", "heights") == ["alps_x2.npy"]
    picture = source(tmp_path / "in" / "old.pgm")
    assert targets([picture], [tmp_path / "in"], "{stem}_x{scale}{suffix}", "photo") == ["old_x2.png"]


def test_images_of_one_input_have_names_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.SAFE").mkdir()
    safe = [source(tmp_path / "b.tif").model_copy(update={"path": tmp_path / "a.SAFE", "part": part}) for part in ("10m", "20m")]
    inside = source(tmp_path / "c.h5").model_copy(update={"part": "group/heat"})
    assert targets([*safe, inside], [tmp_path], "o/{stem}_x{scale}{suffix}") == [
        "o/a-10m_x2.tif",
        "o/a-20m_x2.tif",
        "o/c-group-heat_x2.tif",
    ]
