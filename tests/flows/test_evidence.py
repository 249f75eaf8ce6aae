from __future__ import annotations

from pathlib import Path

from flows.evidence import hold_back
from flows.registry import Registry
from sr_core.stages.gate import Decision

PASSED = Decision(register_it=True, promote=True, reasons=("+1 dB",), sentence="Promoted.")


def put(registry: Registry, run_id: str, folder: Path, text: str, then: str) -> None:
    folder.mkdir()
    (folder / "bundle.json").write_text(text)
    tags = {"bundle": text, "weights": f"w-{text}", "gate": "passed", "champion_then": then}
    registry.promote(registry.register("sr-test", folder, tags, run_id, None))


def test_what_a_person_rolled_back_a_schedule_does_not_promote(registry: Registry, run_id: str, tmp_path: Path) -> None:
    put(registry, run_id, tmp_path / "a", "a", "none")
    put(registry, run_id, tmp_path / "b", "b", "1")
    assert hold_back(PASSED, registry, "sr-test", "w-b") == PASSED
    registry.rollback("sr-test")
    held = hold_back(PASSED, registry, "sr-test", "w-b")
    assert not held.promote and held.register_it
    assert "version 2" in held.sentence and "sr models promote sr-test 2" in held.sentence
    assert hold_back(PASSED, registry, "sr-test", "w-c") == PASSED


def test_a_refusal_stays_a_refusal(registry: Registry) -> None:
    refused = Decision(register_it=False, promote=False, reasons=("no",), sentence="No.")
    assert hold_back(refused, registry, "sr-test", "w") == refused
