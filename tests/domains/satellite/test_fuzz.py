"""Changed bytes in sound files: the reader ends in bounded time and memory, the process lives, and one sentence says what came of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fuzz_rasters
import pytest
from fuzz_rasters import case, probe, seeds

KEPT = Path(__file__).resolve().parents[2] / "data" / "fuzz"  # what killed the process, or broke a writer, until it was mended
FOUND = {
    "ycbcr_of_one_band": "says YCbCr with 1 bands",  # libtiff wrote beyond its buffer, and the process died
    "control_points_without_system": "read",  # AttributeError where the output was begun
    "system_without_metres": "read",  # CRSError in what the file says of itself
}


def fuzz(first: int, count: int, seconds: float) -> None:
    command = [sys.executable, "-W", "ignore", fuzz_rasters.__file__, str(first), str(count)]
    done = subprocess.run(command, capture_output=True, timeout=seconds)
    last = done.stdout.split()[-1].decode() if done.stdout.split() else "none"
    assert done.returncode == 0, f"case {last}, exit code {done.returncode}: {done.stderr[-3000:].decode(errors='replace')}"
    assert int(last) == first + count - 1
    assert b"Traceback" not in done.stderr


def test_some_cases() -> None:
    fuzz(0, 120, 120)


@pytest.mark.long
def test_many_cases() -> None:
    fuzz(100_000, 3000, 400)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str, tmp_path: Path) -> None:
    path = tmp_path / "found.tif"
    path.write_bytes((KEPT / f"{name}.tif").read_bytes())
    assert FOUND[name] in probe(path)


@pytest.mark.filterwarnings("ignore")
def test_seeds_are_sound_and_cases_are_not_all_refused_or_all_read(tmp_path: Path) -> None:
    path = tmp_path / "case.tif"
    for seed in seeds():
        path.write_bytes(seed)
        assert probe(path) == "read"
    outcomes = []
    for number in range(90):
        path.write_bytes(case(number))
        outcomes.append(probe(path) == "read")
    assert 0.1 < sum(outcomes) / len(outcomes) < 0.9
    assert case(17) == case(17) and case(17) != case(18)


@pytest.mark.filterwarnings("ignore")
def test_a_fault_of_the_reader_is_seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def careless(path: Path) -> str:
        raise KeyError("sensor")

    monkeypatch.setattr(fuzz_rasters, "probe", careless)
    assert fuzz_rasters.run(0, 3, None) == 3
    assert "KeyError" in capsys.readouterr().err
