"""The contact sheet of a patch store: pairs as pictures, what the degradation is, and what it does to values and frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sr_core.errors import InputError, OutputError, StoreError
from sr_core.raster import Float32Array
from sr_core.report.pictures import STRETCH, Picture, composite_bands, number, png
from sr_core.report.spectra import chart, histograms, share_beyond, spectra
from sr_core.workspace import write_atomic

if TYPE_CHECKING:
    from sr_core.operators import Operator
    from sr_core.patches import PatchStore
    from sr_core.patches.layout import StoredSplit
    from sr_core.patches.readers import MemoryReader, Reader, StreamReader

MOST_PAIRS = 60
MEASURED = 256  # pairs that the summary's curves are means of
SIDE = 96  # LR px of a picture at most; the middle of a larger one is shown
X_VALUES, X_FREQUENCIES = "value, {unit}", "cycles per HR px"


@dataclass(frozen=True)
class SheetPair:
    """One pair as it is shown."""

    number: int
    name: str
    place: str
    lr: Picture
    hr: Picture
    histogram: Markup
    spectrum: Markup


def build_sheet(target: Path, store: PatchStore, split: StoredSplit = "train", pairs: int = 12, seed: int = 0) -> Path:
    """Write the contact sheet of a store.

    Parameters
    ----------
    target : the HTML file; replaced in one step if it exists.
    store : PatchStore; patches are read one by one, so it may be larger than memory.
    split : "train" or "val".
    pairs : how many are shown, 1 to 60; drawn with `seed`, from as many different images as there are.
    seed : another one shows other pairs.

    Returns
    -------
    Path
        `target`. The page asks for nothing from outside and needs no script.

    Raises
    ------
    InputError
        If `pairs` is out of range.
    StoreError
        If the split has no patch or a shard cannot be read.
    OutputError
        If the file cannot be written.
    """
    if not 1 <= pairs <= MOST_PAIRS:
        raise InputError(f"{pairs} pairs", f"1 to {MOST_PAIRS}", "Show fewer; another seed shows others.")
    page = render_sheet(store, split, pairs, seed).encode("utf-8")
    try:
        write_atomic(target, page)
    except OSError as error:
        raise OutputError(f"sheet {target} ({error.strerror})", "a place that can be written", "Give another path.") from error
    return target


def render_sheet(store: PatchStore, split: StoredSplit, pairs: int, seed: int) -> str:
    """Give the page as text; parameters as `build_sheet`."""
    from sr_core.operators import operator_from
    from sr_core.patches import summarise

    operator = operator_from(store.operator)
    reader = _reader(store, split, operator)
    order = spread(reader, seed)
    lr, hr = _read(reader, order[:MEASURED], store.scale)
    names = [entry.name for entry in store.entries(split)]
    shown = [
        _pair(place, (lr[place], hr[place]), names[reader.origin_of(patch)[0]], reader.origin_of(patch)[1:], store)
        for place, patch in enumerate(order[:pairs])
    ]
    environment = Environment(
        loader=PackageLoader("sr_core.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    histogram, spectrum = _charts(hr, lr, store, f"{len(lr)} pairs", large=True)
    return environment.get_template("sheet.html.j2").render(
        store=store, plan=store.plan, description=operator.describe(), counts=summarise(store).sentence(store.plan), pairs=shown,
        split={"train": "training", "val": "validation"}[split], total=len(reader), images=len(names), measured=len(lr), seed=seed,
        histogram=histogram, spectrum=spectrum, rows=_rows(hr, lr), beyond=_percent(share_beyond(hr, store.scale)),
        wide=store.plan.origins == "whole",
    )  # fmt: skip


def _reader(store: PatchStore, split: StoredSplit, operator: Operator) -> MemoryReader | StreamReader:
    from sr_core.patches.readers import MemoryReader, StreamReader

    try:
        return StreamReader(store, split, bandwise=True, upscale=operator.upscale)
    except StoreError:  # an interpolation that has no windows (k-space, HR grid); any other fault is met again here
        return MemoryReader(store, split, bandwise=True, upscale=operator.upscale)


def spread(reader: Reader, seed: int) -> list[int]:
    """Give patch numbers in the order in which they are shown: by chance, one of every image before the second of any."""
    order = torch.randperm(len(reader), generator=torch.Generator().manual_seed(seed)).tolist()
    seen: dict[int, int] = {}
    turns = []
    for patch in order:
        image = reader.origin_of(patch)[0]
        seen[image] = seen.get(image, 0) + 1
        turns.append(seen[image])
    return [order[i] for i in np.argsort(turns, kind="stable")]


def _read(reader: MemoryReader | StreamReader, patches: Sequence[int], scale: int) -> tuple[list[Float32Array], list[Float32Array]]:
    """Read pairs; of pictures larger than `SIDE` LR pixels the middle."""
    lr, hr = [], []
    for patch in patches:
        small, large = (x.numpy() for x in reader.pair(patch))
        finer = large.shape[1] // small.shape[1]
        side = SIDE if finer > 1 else SIDE * scale
        top, left = (max(0, (n - side) // 2) for n in small.shape[1:])
        lr.append(small[:, top : top + side, left : left + side])
        hr.append(large[:, top * finer : (top + side) * finer, left * finer : (left + side) * finer])
    return lr, hr


def _pair(place: int, both: tuple[Float32Array, Float32Array], name: str, corner: tuple[int, int], store: PatchStore) -> SheetPair:
    (lr, hr), (row, col) = both, corner
    bands = store.bands if len(store.bands) == hr.shape[0] else [str(i) for i in range(hr.shape[0])]
    shown = list(composite_bands(bands))
    low, high = np.percentile(hr[shown], STRETCH, axis=(1, 2))
    span = np.maximum(high - low, np.finfo(np.float32).tiny)
    pictures = []
    for caption, words, pixels in (("LR", "low resolution", lr), ("HR", "high resolution", hr)):
        unit = np.clip((pixels[shown] - low[:, None, None]) / span[:, None, None], 0, 1)
        rgb = np.rint(unit * 255).astype(np.uint8).transpose(1, 2, 0)
        rgb = rgb if rgb.shape[2] == 3 else np.repeat(rgb[:, :, :1], 3, axis=2)
        height, width = pixels.shape[1:]
        told = f"{words} patch of {name}, {width} by {height} pixels, values {number(float(pixels.min()))} to {number(float(pixels.max()))}"
        pictures.append(Picture(f"{caption}, {width} × {height} px", png(rgb), f"{told} {store.unit}", width, height))
    histogram, spectrum = _charts([hr], [lr], store, f"pair {place + 1}")
    where = "whole picture" if store.plan.origins == "whole" else f"row {row}, column {col} of the {store.plan.grid.upper()} grid"
    return SheetPair(place + 1, name, where, pictures[0], pictures[1], histogram, spectrum)


def _charts(
    hr: Sequence[Float32Array], lr: Sequence[Float32Array], store: PatchStore, what: str, large: bool = False
) -> tuple[Markup, Markup]:
    spread_hr, spread_lr = (float(np.concatenate([x.ravel() for x in part]).std(dtype=np.float64)) for part in (hr, lr))
    label = f"Histogram of {what}: standard deviation {number(spread_hr)} before, {number(spread_lr)} after, {store.unit}"
    histogram = chart(histograms(hr, lr), label, X_VALUES.format(unit=store.unit), large=large)
    beyond = _percent(share_beyond(hr, store.scale))
    label = f"Power spectrum of {what}: {beyond} of the power before lies beyond the Nyquist frequency of LR"
    lines = spectra(hr, lr)
    return histogram, chart(lines, label, X_FREQUENCIES, large=large, powers=True, mark=0.5 / store.scale)


def _rows(hr: Sequence[Float32Array], lr: Sequence[Float32Array]) -> list[tuple[str, list[str]]]:
    rows = []
    for name, part in (("before (HR)", hr), ("after (LR)", lr)):
        values = np.concatenate([x.ravel() for x in part]).astype(np.float64)
        low, high = np.percentile(values, STRETCH)
        rows.append((name, [number(float(v), 4) for v in (values.mean(), values.std(), low, high)]))
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
