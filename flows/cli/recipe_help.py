"""`sr train --help`: after the options, the whole recipe."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class RecipeHelp(TyperCommand):
    """A command whose help ends with the recipe's settings by group."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        super().format_help(ctx, formatter)
        print_settings()


def print_settings() -> None:
    """Print every setting: name, default, what it means and its choices."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from flows.cli.recipe_words import groups

    made = groups()
    every = [setting for group in made for setting in group.settings]
    names, defaults = max(len(setting.name) for setting in every), max(len(setting.default) for setting in every)
    console = Console(highlight=False)
    for group in made:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold cyan", min_width=names, no_wrap=True)
        table.add_column(style="yellow", min_width=defaults, no_wrap=True)
        table.add_column()
        for setting in group.settings:
            words = Text(setting.words)
            if setting.choices:
                words.append(f" [{setting.choices}]", style="dim")
            table.add_row(Text(setting.name), Text(setting.default), words)
        console.print(Panel(table, title=Text(f"--set: {group.heading}"), title_align="left", border_style="dim"))
    console.print(Text("Second column: the general default; a domain may have its own. docs/how-to/train.md explains how to choose."))
