"""Files appear together or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sr_core.delivery import Delivery
from sr_core.errors import BandError, DeliveryError, InputError, OutputError


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


class Killed(BaseException):
    """Stands for SIGKILL: nothing is tidied up after it; the operating system frees the lock."""


def publish_and_die(source: Path, target: Path, moves: int, monkeypatch: pytest.MonkeyPatch, overwrite: bool, names: list[str]) -> None:
    delivery = Delivery(source, target, overwrite, key="a" * 32)
    (delivery.folder / "rows").write_text("finished rows")
    for name in ("verdict.json", "interval.png"):
        delivery.place(name, target.parent / name)
    delivery.place("image", target)
    for name in names:
        (delivery.folder / "made" / name).write_text("new " + name)
    done = []

    def dying(honest: object) -> object:
        def move(self: Path, other: Path) -> Path:
            if len(done) == moves:
                raise Killed
            done.append(other)
            return honest(self, other)  # type: ignore[operator,no-any-return]

        return move

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying(Path.replace))
        patch.setattr(Path, "rename", dying(Path.rename))
        with pytest.raises(Killed):
            delivery.publish()
    delivery._free()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("key", ["a" * 32, "b" * 32])
def test_a_run_killed_while_it_publishes_is_undone_and_done_again(
    overwrite: bool, key: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "o"
    names = ["verdict.json", "out.png"]
    moves = 2 + 2 * overwrite  # with a stale interval, and an old verdict that makes room
    for killed_at in range(moves):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if overwrite:
            for name in (*names, "interval.png"):
                (folder / name).write_text("old " + name)
        before = {p.name: p.read_text() for p in folder.iterdir()}
        publish_and_die(source, folder / "out.png", killed_at, monkeypatch, overwrite, names)
        with Delivery(source, folder / "out.png", overwrite, key=key) as delivery:
            assert {p.name: p.read_text() for p in folder.iterdir() if p.name[0] != "."} == before
            assert (delivery.folder / "rows").exists() == (key == "a" * 32)
            for name in ("verdict.json", "interval.png"):
                delivery.place(name, folder / name)
            delivery.place("image", folder / "out.png")
            for name in names:
                (delivery.folder / "made" / name).write_text("again " + name)
            delivery.publish()
        assert {p.name: p.read_text() for p in folder.iterdir()} == {name: "again " + name for name in names}


def test_a_run_killed_after_it_published_has_published(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "o" / "out.png"
    delivery = Delivery(source, target, key="a" * 32)
    delivery.place("image", target).write_text("new")
    with monkeypatch.context() as patch:
        patch.setattr(Delivery, "discard", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            delivery.publish()
    delivery._free()
    with pytest.raises(OutputError, match="exists already"):
        Delivery(source, target, key="a" * 32)
    assert [p.name for p in target.parent.iterdir()] == ["out.png"] and target.read_text() == "new"


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (KeyboardInterrupt(), True),
        (MemoryError(), True),
        (DeliveryError("a full disk", "room", "Make some."), True),
        (BandError("a broken device", "one that works", "Mend it."), True),
        (InputError("a pixel that is not finite", "finite ones", "Mask it."), False),
        (None, False),
    ],
)
def test_what_is_kept_of_stopped_work(error: BaseException | None, kept: bool, source: Path, tmp_path: Path) -> None:
    for key in ("a" * 32, ""):
        delivery = Delivery(source, tmp_path / "o" / "out.png", key=key)
        (delivery.folder / "made" / "out.png").write_text("half")
        delivery.leave(error)
        left = list((tmp_path / "o").iterdir())
        assert left == ([delivery.folder] if kept and key else [])
        assert not (delivery.folder / "made").exists()
        Delivery(source, tmp_path / "o" / "out.png", key="b" * 32).discard()
        assert not list((tmp_path / "o").iterdir())  # of another key


def test_room_is_asked_for_before_the_start(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "o" / "out.png"
    kept = Delivery(source, target, key="a" * 32)
    (kept.folder / "rows").write_bytes(bytes(3 << 20))
    kept.leave(KeyboardInterrupt())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 20})())
    Delivery(source, target, needed_bytes=4 << 20, key="a" * 32).leave(KeyboardInterrupt())  # 3 MiB are there already
    with pytest.raises(OutputError, match=r"1 MiB free in .*; expected at least 2 MiB for the result"):
        Delivery(source, target, needed_bytes=5 << 20, key="a" * 32)
    assert (kept.folder / "rows").exists()
    with pytest.raises(OutputError, match="1 MiB free"):
        Delivery(source, tmp_path / "o" / "other.png", needed_bytes=5 << 20)
    assert [p.name for p in target.parent.iterdir()] == [kept.folder.name]
