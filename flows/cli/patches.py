"""What a prepared patch store holds: is it as written, how many pairs, how they look, and a copy in the classical layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import options
from sr_core.errors import InputError, OutputError

if TYPE_CHECKING:
    from sr_core.patches import PatchStore

app = typer.Typer(no_args_is_help=True, help="Prepared pairs: verify, show, export, count.")

Store = Annotated[Path, typer.Argument(help="Folder of a patch store, as sr prepare names it.", show_default=False)]
Split = Annotated[str, typer.Option("--split", help="train or val.")]


def _open(folder: Path) -> PatchStore:
    from sr_core.patches import PatchStore

    return PatchStore(folder.expanduser())


def _split(name: str) -> Literal["train", "val"]:
    if name == "train" or name == "val":
        return name
    raise InputError(f"--split {name!r}", "train or val", "Calibration and test images are never cut into pairs.")


def _place(path: Path) -> Path:
    path = path.expanduser()
    if path.is_dir():
        raise OutputError(f"output {path} is a folder", "a file that can be written", "Name a file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output folder {path.parent} ({error.strerror})", "a folder that can be written", "Give another.") from error
    return path


@app.command("verify")
def verify(store: Store, json: options.Json = False) -> None:
    """Hash every dataset of a store anew and compare with what was written; exit with 2 where one differs.

    Example: sr patches verify var/prepare/KEY
    """
    from flows.cli.output import print_json

    pairs = _open(store)
    pairs.verify()
    if json:
        print_json({"store": store, "shards": [{"name": s.name, "content": s.content} for s in pairs.shards]})
        return
    count = len(pairs.shards)
    typer.echo(f"{count} shard{'s' if count != 1 else ''} of {store}: every dataset is as it was written.")


@app.command("count")
def count(
    store: Store,
    wanted: Annotated[int, typer.Option("--wanted", min=1, help="Number of training pairs to find a stride for.")] = 1000,
    json: options.Json = False,
) -> None:
    """Count the pairs, and give the largest stride that would yield 1,000 of them.

    Example: sr patches count var/prepare/KEY --wanted 5000
    """
    from flows.cli.output import print_json, print_table
    from sr_core.patches import summarise

    pairs = _open(store)
    counts = summarise(pairs, wanted)
    if json:
        shards = [{"name": s.name, "train_pairs": s.train_pairs, "val_pairs": s.val_pairs} for s in pairs.shards]
        print_json(
            {"train_pairs": counts.train, "val_pairs": counts.val, "wanted": wanted, "stride_wanted": counts.stride_wanted,
             "stride": pairs.plan.stride, "plan": pairs.plan, "shards": shards}
        )  # fmt: skip
        return
    print_table(("shard", "training", "validation"), [(s.name, f"{s.train_pairs:,}", f"{s.val_pairs:,}") for s in pairs.shards])
    typer.echo(f"\n{counts.sentence(pairs.plan)}")
    if counts.train >= wanted and pairs.plan.origins != "whole":
        typer.echo(f"Stride {pairs.plan.stride} gives at least {wanted:,} training pairs.")


@app.command("export")
def export(
    store: Store,
    out: Annotated[Path, typer.Argument(help="HDF5 file to write.", show_default=False)],
    split: Split = "train",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at OUT.")] = False,
    json: options.Json = False,
) -> None:
    """Write the pairs as the classical HDF5 datasets data and label, float32 in the physical unit.

    On the HR grid data is LR interpolated by the store's own operator. A chunk is one patch.

    Example: sr patches export var/prepare/KEY train.h5
    """
    from flows.cli.output import print_json

    part, target = _split(split), _place(out)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists", "a new file", "Give another name, or --overwrite.")
    from sr_core.operators import operator_from

    pairs = _open(store)
    if target.resolve().parent == pairs.folder.resolve():
        raise OutputError(f"{target} lies in the store", "a file outside of it", "It would be taken for a shard: give another folder.")
    written = pairs.export(target, part, operator_from(pairs.operator).upscale)
    if json:
        print_json({"path": target, "split": part, "pairs": written})
        return
    typer.echo(f"{written:,} pairs (data, label): {target}")


@app.command("show")
def show(
    store: Store,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write; it is replaced.")] = Path("sheet.html"),
    split: Split = "train",
    pairs: Annotated[int, typer.Option("--pairs", help="How many pairs, 1 to 60.")] = 12,
    seed: Annotated[int, typer.Option("--seed", help="Another one shows other pairs.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    json: options.Json = False,
) -> None:
    """Write a contact sheet: pairs as pictures, the degradation in words, histogram and power spectrum before and after.

    Example: sr patches show var/prepare/KEY --out sheet.html
    """
    from flows.cli.output import print_json
    from sr_core.report.sheet import build_sheet

    part, target = _split(split), _place(out)
    path = build_sheet(target, _open(store), part, pairs, seed)
    if json:
        print_json({"path": path, "split": part})
    else:
        typer.echo(str(path))
    if open_:
        typer.launch(path.resolve().as_uri())
