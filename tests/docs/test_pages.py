"""README and docs agree with the program: commands exist, links lead somewhere, nothing of the machine is in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
COMMAND = re.compile(r"\bsr ([a-z]+)")


@pytest.fixture(scope="module")
def commands() -> set[str]:
    from flows.cli.main import app

    return set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_named_commands_exist(page: Path, commands: set[str]) -> None:
    assert set(COMMAND.findall(page.read_text())) <= commands


def test_readme_names_every_command(commands: set[str]) -> None:
    assert commands <= set(COMMAND.findall((ROOT / "README.md").read_text()))


def test_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets, page.name


def test_decisions_are_short_and_whole() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(p.name[:4]) for p in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert all(part in text for part in ("**Context.**", "**Decision.**", "**Rejected.**", "**Consequences.**")), page.name
        assert len(text.splitlines()) <= 25, page.name
