from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from filelock import FileLock

from flows import sweep
from flows.sweep import alive

DEAD, OTHER, OWN = (uuid.UUID(int=n) for n in (1, 2, 3))


@pytest.fixture
def buried(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    seen: list[uuid.UUID] = []
    monkeypatch.setattr(sweep, "_mark_crashed", seen.append)
    return seen


def test_only_runs_whose_process_is_gone_are_marked(tmp_path: Path, buried: list[uuid.UUID]) -> None:
    (tmp_path / f"{DEAD}.lock").touch()
    with FileLock(str(tmp_path / f"{OTHER}.lock")), alive(tmp_path, OWN):
        assert buried == [DEAD]
        assert {p.stem for p in tmp_path.iterdir()} == {str(OTHER), str(OWN)}
    assert not (tmp_path / f"{OWN}.lock").exists()


def test_a_mark_that_fails_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "not-a-run.lock").touch()
    with pytest.warns(RuntimeWarning, match="ValueError"), alive(tmp_path, OWN):
        pass
    assert list(tmp_path.iterdir()) == []


def test_outside_a_flow_nothing_is_kept(tmp_path: Path) -> None:
    with alive(tmp_path / "runs", None):
        pass
    assert not (tmp_path / "runs").exists()
