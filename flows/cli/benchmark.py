"""`sr benchmark`: methods and models on Set5 and its like, beside what papers print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import environment
from flows.cli import options

if TYPE_CHECKING:
    from sr_core.stages.benchmark import SetScores

Folders = Annotated[
    list[Path], typer.Argument(help="Folders such as Set5, or a folder of such folders.", metavar="DIR...", show_default=False)
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method", "-m", metavar="NAME", show_default=False,
        help="nearest, bilinear, bicubic, projected (bicubic, projected onto the measurement), linear (the fitted filter, with --fit); "
        "or a family (srcnn, edsr, ...) of which a --bundle is given. Repeatable.  \\[default: bicubic, and every bundle]",
    ),
]  # fmt: skip
Bundles = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle", "-b", metavar="PATH|MODEL", help="A model: a bundle folder, or a registered name. Repeatable.", show_default=False
    ),
]
Scales = Annotated[
    list[str] | None, typer.Option("--scale", "-s", help="For instance 2,3,4.  \\[default: the bundles', else 2,3,4]", show_default=False)
]
Metrics = Annotated[str, typer.Option("--metrics", help="psnr,ssim; or all: IFC, NQM, WPSNR and MS-SSIM, too.")]
Fit = Annotated[
    list[Path] | None, typer.Option("--fit", metavar="PATH", help="Pictures to fit the linear filter on. Repeatable.", show_default=False)
]
SHOWN = 20  # pictures of a set that are listed one by one on a terminal; a file lists all


def benchmark(
    folders: Folders,
    method: Methods = None,
    bundle: Bundles = None,
    scale: Scales = None,
    metrics: Metrics = "psnr,ssim",
    colour: Annotated[
        str | None, typer.Option("--colour", help="luma or rgb.  \\[default: as the model takes it]", show_default=False)
    ] = None,
    fit: Fit = None,
    reduce: Annotated[bool, typer.Option("--reduce", help="Reduce the HR pictures, even where LR pictures are beside them.")] = False,
    old_matlab: Annotated[
        bool, typer.Option("--old-matlab", help="Reduce as MATLAB did before: clamped borders, single precision.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the tables to this Markdown file, too.", show_default=False)] = None,
    workspace: options.WorkspaceFolder = None,
    json: options.Json = False,
) -> None:
    """Measure methods and models on your copy of Set5, Set14, BSD100, Urban100, Manga109 or the like, by the papers' protocol.

    Luma as MATLAB has it, sides cut to multiples of the scale, MATLAB's bicubic reduction, uint8 result, as many pixels as the scale left
    out at each side. A folder holds HR pictures, or HR and LR by the usual names (LR_bicubic/X2, image_SRF_2, ...). Sets known by their
    folder's name are shown beside the printed figures.

    Examples
    --------
      sr benchmark Set5 Set14 --method bicubic --method projected

      sr benchmark Set5 --bundle sr-photo@champion --out set5.md
    """
    from flows.benchmark_words import markdown
    from flows.benchmarking import Wish, measure, read_scales
    from flows.cli.output import print_json
    from flows.console import RichLog
    from flows.lookup import bundle_folder
    from sr_core.workspace import write_atomic

    if out is not None:
        _writable(out)
    place = environment.workspace_folder(workspace)
    wish = Wish(
        folders=tuple(folder.expanduser() for folder in folders), methods=tuple(method or ()),
        bundles=tuple((name, bundle_folder(name, place)) for name in bundle or ()), scales=read_scales(scale or ()), metrics=metrics,
        colour=colour, fit=tuple(fit or ()), reduce=reduce, old_matlab=old_matlab,
    )  # fmt: skip
    with RichLog() as log:
        places = measure(wish, log)
    if out is not None:
        write_atomic(out, markdown(places).encode())
    if json:
        print_json(list(places))
        return
    _show(places)
    if out is not None:
        typer.echo(f"\nTables: {out}")


def _show(places: tuple[SetScores, ...]) -> None:
    from flows.benchmark_words import by_picture, heading, remarks, rows
    from flows.cli.output import print_table

    for place in places:
        typer.echo(f"\n{place.name}, x{place.scale}")
        print_table(heading(place), rows(place))
        for remark in remarks(place):
            typer.echo(f"  - {remark}")
        if len(place.scores[0].table.rows) <= SHOWN:
            typer.echo("")
            print_table(*by_picture(place))


def _writable(out: Path) -> None:
    from sr_core.errors import OutputError

    if out.is_dir() or not out.resolve().parent.is_dir():
        raise OutputError(f"--out {out}", "a file in a folder that exists", "For instance: --out set5.md")
