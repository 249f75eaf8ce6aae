"""Files appear together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sr_core.delivery import Delivery
from sr_core.errors import OutputError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    path.write_bytes(b"in")
    return path


def test_published_together(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "o" / "p" / "out.png"
    with Delivery(source, target) as delivery:
        for role, name in (("image", "out.png"), ("verdict", "out.json"), ("interval", "out.interval.png")):
            path = delivery.place(role, target.parent / name)
            if role != "interval":
                path.write_text(role)
        assert not target.exists()
        files = delivery.publish()
    assert [(f.role, f.path.read_text()) for f in files] == [("image", "image"), ("verdict", "verdict")]
    assert sorted(p.name for p in target.parent.iterdir()) == ["out.json", "out.png"]


def test_target_that_appears_meanwhile_is_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    with Delivery(source, target) as delivery:
        delivery.place("image", target).write_text("new")
        delivery.place("verdict", tmp_path / "out.json").write_text("new")
        target.write_text("of another run")
        with pytest.raises(OutputError):
            delivery.publish()
    assert target.read_text() == "of another run" and not (tmp_path / "out.json").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.png", "out.png"]


def test_one_run_works_on_a_target(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out[1].png"
    with Delivery(source, target, key="a" * 32) as first:
        for key in ("a" * 32, "b" * 32, ""):
            with pytest.raises(OutputError, match="is being written by another run"):
                Delivery(source, target, key=key)
        assert first.folder.exists()
        with Delivery(source, tmp_path / "out.png"):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["in.png"]


def test_link_to_the_input_is_refused(source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(source)
    with pytest.raises(OutputError, match="is the input"):
        Delivery(source, link, overwrite=True)
    (tmp_path / "hard.png").hardlink_to(source)
    with pytest.raises(OutputError, match="is the input"):
        Delivery(source, tmp_path / "hard.png", overwrite=True)
