"""Whether the checks can be trusted themselves: faults planted on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import options
from sr_core.errors import InputError, OutputError

if TYPE_CHECKING:
    from sr_core.trust.faultbench import BenchRow, BenchTable

app = typer.Typer(no_args_is_help=True, help="Trust: selftest, which plants faults on purpose and shows which check catches them.")
FEWEST = 3


@app.command("selftest")
def selftest(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Images to plant faults in.  \\[default: the demonstration images of the domain]", show_default=False),
    ] = None,
    domain: Annotated[str, typer.Option("--domain", "-d", help="Kind of imagery: satellite, medical, face or photo.")] = "satellite",
    units: Annotated[int, typer.Option("--units", help="Regions of images; each is one trial.")] = 24,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A registered model, or a bundle folder.  \\[default: champion, else shipped]", show_default=False),
    ] = None,
    scale: options.Scale = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the whole table, fault by check, as Markdown.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Decides where faults are planted.")] = 0,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Plant faults in real upscales, and show which check catches them, from which size on, and how often clean images are flagged.

    Regions of your images are degraded, upscaled by the model, and stored as its files store them: so the truth is known and nothing is
    wrong. Then every fault of the table is planted in each of them, at several sizes: a shift, a gain, an object that nobody measured, a
    tile that does not fit, the interval of other weights. All checks of an upscale look at each. Their limits come from the clean regions:
    one for the largest score of all checks together, so that many checks do not add up their false alarms; each region is judged by the
    others.

    Read it so: "caught from 0.05 px" means that all larger shifts that were tried were caught in at least 95 % of the regions. Faults
    with a star must be. What no check saw is listed as blind spots: there, a verdict that says "pass" says nothing.

    Examples
    --------
      sr trust selftest

      sr trust selftest my_scenes/ --units 48 --out faults.md

      sr trust selftest photos/ --domain photo --model sr-photo@champion

    Exit codes: 0 every starred fault was caught in at least 95 % of the regions, and at most 10 % of the clean ones were flagged; 1 not
    so; 2 wrong input.
    """
    from flows import environment
    from flows.cli.output import print_json
    from flows.console import RichLog
    from flows.selftest import Asked
    from flows.selftest import selftest as run
    from sr_core.trust.bench_words import markdown
    from sr_core.workspace import write_atomic

    if units < FEWEST:
        raise InputError(f"--units {units}", f"at least {FEWEST}, so that each can be judged by the others", "Leave it out: 24.")
    folder = environment.workspace_folder(workspace)
    bundle = Path(model).expanduser() if model is not None and Path(model).expanduser().is_dir() else None
    named = None if bundle is not None else model
    asked = Asked(
        domain=domain, workspace=folder, paths=tuple(paths or ()), units=units, model=named, bundle=bundle, scale=scale, seed=seed
    )
    with RichLog() as log:
        table = run(asked, log)
    if out is not None:
        try:
            write_atomic(out, markdown(table).encode())
        except OSError as error:
            raise OutputError(f"output {out} ({error.strerror})", "a file that can be written", "Give another --out.") from error
    if json:
        print_json({"passed": table.passed, "table": table})
    else:
        show(table)
    if not table.passed:
        raise typer.Exit(1)


def show(table: BenchTable) -> None:
    """Print a table for a person."""
    from flows.cli.output import print_table
    from sr_core.trust.bench_words import blind_spots, curve, size_text, summary

    typer.echo(f"{table.label}\n")
    header = ("fault", "#", "size", "", "caught", "first catcher", "checks that saw it")
    stars = {True: "*", False: ""}
    body = [
        (
            row.fault, str(row.number), size_text(row), stars[row.must_be_caught], f"{row.caught:.0%}", row.first or "-", str(_saw(row)),
        )
        for row in table.rows
    ]  # fmt: skip
    print_table(header, body)
    typer.echo("\nCaught from (all larger sizes tried, in at least 95 % of the regions):")
    print_table(
        ("fault", "from", "largest tried"),
        [
            (last.fault, "not" if size is None else f"{size:g} {last.size_unit}".strip(), size_text(last) or "1")
            for last, size in curve(table)
        ],
    )
    for each in table.not_planted:
        typer.echo(f"  not planted: {each.fault} ({each.reason})")
    for title, lines in (("Result", summary(table)), ("Blind spots: what no check saw, or can see", blind_spots(table))):
        _section(title, iter(lines))


def _saw(row: BenchRow) -> int:
    """Count the checks that flagged the fault in at least half of the regions."""
    return sum(share is not None and share >= 0.5 for share in row.by_check)


def _section(title: str, lines: Iterator[str]) -> None:
    typer.echo(f"\n{title}")
    for line in lines:
        typer.echo(f"  - {line}")
