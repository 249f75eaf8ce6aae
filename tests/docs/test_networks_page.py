"""The page about networks says what the networks are: its tables are made from them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from sr_core.families import FAMILIES, SIZES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "networks.md"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("networks_page", ROOT / "bench" / "networks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_code(maker: ModuleType) -> None:
    page = PAGE.read_text()
    assert maker.rewritten(page) == page, "run: python bench/networks.py"


def test_a_changed_count_would_be_noticed(maker: ModuleType) -> None:
    page = PAGE.read_text()
    assert page.count("| 12,809 | 12,464 | 12,464 | 8 |") == 1
    spoilt = page.replace("| 12,809 | 12,464 | 12,464 | 8 |", "| 12,809 | 12,464 | 12,464 | 9 |")
    assert maker.rewritten(spoilt) == page


def test_published_counts_stand_in_the_page() -> None:
    """As the papers and the authors' released networks have them, not as computed here."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    published = {
        "SRCNN 9-1-5 of 64 and 32 channels | x3 | 1": "8,032", "SRCNN 9-3-5": "24,416", "SRCNN 9-5-5": "57,184",
        "FSRCNN(56, 12, 4) | x3": "12,464", "VDSR": "664,704", "EDSR, 16 blocks of 64 channels | x2": "1,369,859",
        "EDSR, 32 blocks of 256 channels, residuals times 0.1 | x2": "40,729,603",
        "RRDB, 23 blocks of 64 channels that grow by 32, residuals times 0.2 | x4": "16,697,987",
    }  # fmt: skip
    for network, count in published.items():
        assert [f" {count} " in row for row in rows if row.startswith(f"| {network}")] == [True], network


def test_every_family_and_size_is_named() -> None:
    page = PAGE.read_text()
    assert all(f"| `{name}` |" in page for name in FAMILIES)
    assert all(f"`{size}`" in page for size in SIZES)
    assert "docs/networks.md" in (ROOT / "README.md").read_text()
