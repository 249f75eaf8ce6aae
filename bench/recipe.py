"""Write the tables of settings in docs/how-to/train.md from the recipe itself: `python bench/recipe.py`."""

from __future__ import annotations

import re
from pathlib import Path

from flows.cli.recipe_words import groups

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "train.md"
BETWEEN = re.compile(r"(<!-- table: settings -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> str:
    """Give one table a group: name, default, meaning with the choices."""
    lines = []
    for group in groups():
        lines += [f"### {group.heading}", "", "| setting | default | what it means |", "|---|---|---|"]
        for setting in group.settings:
            choices = f" One of {setting.choices}." if setting.choices else ""
            lines.append(f"| `{setting.name}` | {setting.default} | {setting.words}{choices} |")
        lines.append("")
    return "\n".join(lines)


def rewritten(page: str) -> str:
    """Give the page with its tables made anew."""
    made, found = BETWEEN.subn(lambda match: f"{match[1]}{tables()}\n{match[2]}", page)
    if found != 1:
        raise SystemExit(f"docs/how-to/train.md has {found} places for the tables; expected one. Put the marks back.")
    return made


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
