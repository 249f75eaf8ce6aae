"""How results are shown: text for people, JSON for machines, both on stdout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from flows.result import FlowResult, Row


def print_json(value: object) -> None:
    """Print a value as JSON; records and paths included."""
    typer.echo(json.dumps(value, default=_plain, indent=1, ensure_ascii=False))


def _plain(value: object) -> object:
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return json.loads(value.model_dump_json())
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    """Print a table: first column left, the rest right."""
    if not body:
        return
    widths = [max(len(row[i]) for row in (header, *body)) for i in range(len(header))]
    for row in (header, *body):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        typer.echo("  " + "   ".join(cells).rstrip())


def duration_text(seconds: float) -> str:
    """Give a time in words: "less than 2 s", "about 45 s", "about 4 min", "about 2 h 10 min"."""
    if seconds < 2:
        return "less than 2 s"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 100 else f"about {minutes // 60} h {minutes % 60} min"


def print_rows(rows: Sequence[Row], protocol: str) -> None:
    """Print a method table with gains over bicubic."""
    first = rows[0].psnr_db
    body = [(r.method, f"{r.psnr_db:.2f}", f"{r.psnr_db - first:+.2f}" if r is not rows[0] else "", f"{r.ssim:.4f}") for r in rows]
    print_table(("method", "PSNR, dB", f"over {rows[0].method}", "SSIM"), body)
    typer.echo(f"  ({protocol})")


def print_result(result: FlowResult, pages: tuple[str, str]) -> None:
    """Say what a flow run made and where it is."""
    echo = typer.echo
    echo("")
    echo(result.decision)
    echo("")
    print_rows(result.table, result.protocol)
    echo("")
    echo(result.claim)
    echo("")
    if result.version is None:
        standing = f"{result.model}: not registered, not promoted"
    elif result.promoted:
        standing = f"{result.model} version {result.version}, alias {result.alias} (models:/{result.model}@{result.alias})"
    else:
        standing = f"{result.model} version {result.version}, alias {result.alias or 'none'}: not promoted"
    echo(f"Model     {standing}")
    if result.version is not None and not result.promoted:
        for reason in result.reasons:
            echo(f"          - {reason}")
    echo(f"Report    {result.report}")
    for path in result.outputs:
        echo(f"Upscaled  {path}")
    for verdict in result.verdicts:
        echo(f"Verdict   {verdict}")
    if result.reused:
        echo(f"Reused    {', '.join(result.reused)}")
    echo(f"Prefect   {pages[0]}")
    echo(f"MLflow    {pages[1]}")
