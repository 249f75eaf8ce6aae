"""The photo domain on pictures from an installed package and on the benchmark folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from domains.photo import demo as module
from domains.photo.domain import DOMAIN
from sr_core.errors import InputError
from sr_core.log import Silent


def test_demo(tmp_path: Path) -> None:
    paths = DOMAIN.demo(tmp_path / "demo")
    assert [p.name for p in paths] == list(module.NAMES)
    sources, refusals = DOMAIN.discover([tmp_path / "demo"], Silent())
    assert not refusals and {s.path.name: s.shape for s in sources}["chelsea.png"] == (3, 300, 451)
    split = DOMAIN.split(sources, 2, 16, 1)
    split.check(16)
    assert not any(region.one_group for region in split.test) and len(split.test) == 1


def test_demo_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install"):
        DOMAIN.demo(tmp_path)


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    DOMAIN.demo(tmp_path)
    (tmp_path / "bad.png").write_text("text")
    (tmp_path / "notes.txt").write_text("text")
    sources, refusals = DOMAIN.discover([tmp_path], Silent())
    assert len(sources) == 5 and [r.path.name for r in refusals] == ["bad.png"]


def test_set5(shared_data: Path) -> None:
    sources, refusals = DOMAIN.discover([shared_data / "sr_test" / "Set5"], Silent())
    assert not refusals
    assert {s.path.stem: s.shape for s in sources} == {
        "baby": (3, 512, 512), "bird": (3, 288, 288), "butterfly": (3, 256, 256), "head": (3, 280, 280), "woman": (3, 344, 228),
    }  # fmt: skip


def test_t91(shared_data: Path) -> None:
    sources, refusals = DOMAIN.discover([shared_data / "sr_train" / "T91"], Silent())
    assert len(sources) == 90 and len({s.group.id for s in sources}) == 90
    assert [r.sentence.split(";")[0] for r in refusals] == ["t65.png has the same content as t36.png"]


def test_bsds(shared_data: Path) -> None:
    sources, refusals = DOMAIN.discover([shared_data / "sr_train" / "BSDS"], Silent())
    assert len(sources) == 43 and not refusals
