"""Every figure that README and docs state is in the list of claims, and every claim is stated somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = re.compile(r"<!-- claim: ([a-z0-9.-]+) -->")
FIGURE = re.compile(r"\d\s?dB\b|\d\s?(times|×) (as fast|faster|slower)|\d+(\.\d+)?\s?× ")


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    spec = importlib.util.spec_from_file_location("claims", ROOT / "bench" / "claims.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["claims"] = module
    spec.loader.exec_module(module)
    return module


def test_every_mark_is_a_claim_and_every_claim_is_marked(claims: ModuleType) -> None:
    marked = {name for page in PAGES for name in MARK.findall(page.read_text())}
    listed = [claim.id for claim in claims.load()]
    assert len(listed) == len(set(listed))
    assert marked == set(listed)


@pytest.mark.parametrize("page", [p for p in PAGES if "decisions" not in p.parts], ids=lambda p: p.name)
def test_no_figure_without_a_claim(page: Path) -> None:
    bare = [line for line in page.read_text().splitlines() if FIGURE.search(line) and not MARK.search(line)]
    assert bare == []


def test_commands_of_claims_exist(claims: ModuleType) -> None:
    for claim in claims.load():
        program, script, *_ = claim.command.split()
        assert program == "python"
        assert (ROOT / script).is_file(), claim.id


@pytest.mark.parametrize(
    ("bar", "value", "holds"), [(">= 1.6", 1.6, True), (">= 1.6", 1.59, False), ("<= 4", 4.1, False), ("<= 4", float("nan"), False)]
)
def test_bars(claims: ModuleType, bar: str, value: float, holds: bool) -> None:
    claim = claims.Claim(id="x", sentence="", command="", value="", bar=bar, behind="", minutes=1)
    assert claim.holds(value) is holds
