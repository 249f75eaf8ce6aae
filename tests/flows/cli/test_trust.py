"""`sr trust selftest`: what is printed, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import flows.selftest
from flows.cli.main import app
from sr_core.trust.faultbench import BenchTable, each, run_bench
from sr_core.trust.faults import FAULTS


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> BenchTable:
    """A table of made-up images in place of the real run, which `tests/flows/test_selftest.py` does."""
    from made_delivered import delivered

    units = {f"unit {n}": delivered(seed=n) for n in range(3)}
    faults = [fault for fault in FAULTS if fault.name in ("no number", "gain", "filled nodata")]
    made = run_bench(
        units, each({"values": lambda given: float(abs(given.z).mean() - abs(given.y).mean())}), label="made up", faults=faults,
        rules={"ceilings": {"values": 0.2}},
    )  # fmt: skip
    made = made.model_copy(update={"flagged": (), "false_alarms": 0.0})
    monkeypatch.setattr(flows.selftest, "selftest", lambda asked, log: made)
    return made


def sr(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["trust", "selftest", *words])
    return done.exit_code, done.output


def test_the_table_the_curve_and_the_blind_spots_are_printed(table: BenchTable, tmp_path: Path) -> None:
    code, text = sr("-w", str(tmp_path), "--out", str(tmp_path / "table.md"))
    assert code == (0 if table.passed else 1)
    assert text.startswith("made up\n") and "Caught from" in text and "Blind spots" in text
    assert "not planted: filled nodata (it needs nodata)" in text
    assert any(line.split()[:2] == ["no", "number"] and "100%" in line and "*" in line for line in text.splitlines())
    assert (tmp_path / "table.md").read_text().startswith("# Fault bench: made up")


def test_a_table_that_is_short_gives_exit_code_1(table: BenchTable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for share, expected in ((0.5, 1), (1.0, 0)):
        rows = tuple(row.model_copy(update={"caught": share}) for row in table.rows)
        monkeypatch.setattr(flows.selftest, "selftest", lambda asked, log, rows=rows: table.model_copy(update={"rows": rows}))
        code, text = sr("-w", str(tmp_path), "--json")
        assert code == expected and json.loads(text)["passed"] is (expected == 0)


def test_wrong_input_gives_exit_code_2(tmp_path: Path) -> None:
    code, text = sr("--units", "2")
    assert code == 2 and "at least 3" in text and "Traceback" not in text
    code, text = sr("--domain", "sonar", "-w", str(tmp_path))
    assert code == 2 and "domain 'sonar'" in text
    code, text = sr(str(tmp_path / "nowhere.tif"), "-w", str(tmp_path))
    assert code == 2
