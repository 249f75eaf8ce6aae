from __future__ import annotations

import uuid

import pytest

from flows import artifacts
from flows.artifacts import PrefectLog, key


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    seen: list[tuple[str, float]] = []

    def create(progress: float, key: str, description: str) -> uuid.UUID:
        seen.append((key, progress))
        return uuid.UUID(int=1)

    def update(artifact: uuid.UUID, progress: float, description: str) -> uuid.UUID:
        seen.append((description, progress))
        return artifact

    import prefect.artifacts

    monkeypatch.setattr(prefect.artifacts, "create_progress_artifact", create)
    monkeypatch.setattr(prefect.artifacts, "update_progress_artifact", update)
    return seen


def test_progress_is_updated_every_tenth_and_at_the_end_only(calls: list[tuple[str, float]]) -> None:
    now = [0.0]
    log = PrefectLog(clock=lambda: now[0])
    for step in range(101):
        now[0] = step * 1.0
        log.progress("Training (360 steps)", step, 100, f"loss {step}")
    assert calls[0] == ("training-360-steps", 3.0)
    assert calls[-1] == ("Training (360 steps): loss 100", 100.0)
    assert len(calls) <= 12


def test_short_work_makes_no_artifact(calls: list[tuple[str, float]]) -> None:
    log = PrefectLog(clock=lambda: 0.0)
    for step in range(11):
        log.progress("short", step, 10)
    assert calls == []


def test_a_page_that_cannot_be_updated_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ConnectionError("planted")

    with pytest.warns(RuntimeWarning, match="ConnectionError"):
        artifacts._try(broken)


@pytest.mark.parametrize(("text", "expected"), [("A b/C_d", "a-b-c-d"), ("--", "artifact"), ("sr-face", "sr-face")])
def test_keys_are_what_prefect_takes(text: str, expected: str) -> None:
    assert key(text) == expected
