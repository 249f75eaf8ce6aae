"""What does not fit is refused before the start, in words that say what would fit: memory and disk."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.naming import Place
from flows.storage import size_text
from sr_core.errors import InputError, OutputError

if TYPE_CHECKING:
    from sr_core.stages.forecast import Forecast
    from sr_core.stages.restore import Restorer

STRIPS = (8192, 4096, 2048, 1024, 512, 256)  # LR columns, tried from the widest on where memory is short
TILES = (512, 256, 128, 64)  # LR pixels a side, offered where memory is short


def check_memory(
    place: Place, said: Forecast, most: int, asked: bool, ask: Callable[[Place, Restorer], Forecast], restorer: Restorer
) -> None:
    """Refuse an image whose forecast is beyond the memory, and name what would fit.

    Parameters
    ----------
    most : bytes that the process may take; `asked` says whether a person set that.
    ask : gives the forecast of a place with a restorer, as it would be with other tiles.

    Raises
    ------
    InputError
        If it does not fit.
    """
    if said.peak_bytes <= most:
        return
    given = f"{place.source.path.name}, which takes about {size_text(said.peak_bytes)} of memory"
    limit = f"at most {size_text(most)} ({'--memory' if asked else 'what this machine has left'})"
    for tile in TILES:
        if restorer.predictor.tile is None or tile < restorer.predictor.tile:
            least = ask(place, with_tile(restorer, tile)).peak_bytes
            if least <= most:
                raise InputError(given, limit, f"--tile {tile} takes about {size_text(least)}.")
    gigabytes = f"{-(-said.peak_bytes // 10**8) / 10:.1f}GB"
    raise InputError(given, limit, f"No tile fits either: give --memory {gigabytes} where there is so much, or cut the image into parts.")


def in_strips(
    place: Place, said: Forecast, most: int, ask: Callable[[Place, Restorer], Forecast], restorer: Restorer
) -> tuple[Restorer, Forecast]:
    """Give the restorer and the forecast with which an image fits the memory: with strips of columns, where its rows are too wide.

    Where they fit as they are, or no strip helps, both come back unchanged. Strips give the same pixels; they take longer.
    """
    if said.executor == "rows" and said.peak_bytes > most:
        for strip in STRIPS:
            if strip < said.lr[2]:
                narrower = restorer.in_strips(strip)
                less = ask(place, narrower)
                if less.peak_bytes <= most:
                    return narrower, less
    return restorer, said


def with_tile(restorer: Restorer, tile: int) -> Restorer:
    """Give the same restorer with another tile."""
    other = copy.copy(restorer)
    other.predictor = copy.copy(restorer.predictor)
    other.predictor.tile = tile
    return other


def check_disk(planned: Sequence[tuple[Path, Forecast]]) -> None:
    """Refuse what the disks cannot hold: all results, and the working files of one image at a time.

    Raises
    ------
    OutputError
        If a disk is too full.
    """
    disks: dict[int, list[tuple[Path, Forecast]]] = {}
    for target, said in planned:
        disks.setdefault(_device(target), []).append((target, said))
    for there in disks.values():
        needed = sum(said.output_bytes for _, said in there) + max(said.working_bytes for _, said in there)
        free = min(said.free_bytes for _, said in there)
        if needed > free:
            what = "1 image" if len(there) == 1 else f"{len(there)} images"
            raise OutputError(
                f"results of {what} for {there[0][0].parent}, up to {size_text(needed)} with working files",
                f"at most {size_text(free)}, which is free there", "Give fewer images, --no-interval, or another --out.",
            )  # fmt: skip


def _device(target: Path) -> int:
    return next((folder.stat().st_dev for folder in target.absolute().parents if folder.is_dir()), 0)
