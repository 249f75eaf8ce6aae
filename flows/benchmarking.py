"""From the words of `sr benchmark` to sets and methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from sr_core.errors import InputError

if TYPE_CHECKING:
    from sr_core.log import Log
    from sr_core.stages.benchmark import PictureSet, SetScores
    from sr_core.stages.upscalers import Colour, Upscaler

SCALES = (2, 3, 4)
PLAIN = ("nearest", "bilinear", "bicubic", "projected", "linear")
LARGEST_SCALE = 8
TWO, ALL = "psnr,ssim", "all"


@dataclass(frozen=True)
class Wish:
    """What a person asked for.

    Attributes
    ----------
    folders : sets, or folders of sets.
    methods : names of plain methods, or families of which a bundle is given.
    bundles : bundle folders with what the person called them.
    scales : those asked for; empty: those of the bundles, else 2, 3, 4.
    metrics : "psnr,ssim" or "all" (six).
    colour : "luma", "rgb" or None: as the model takes it.
    fit : what the linear filter is fitted on.
    reduce : whether LR files are left alone.
    old_matlab : whether the reduction is that of older MATLAB releases, in single precision.
    """

    folders: tuple[Path, ...]
    methods: tuple[str, ...] = ()
    bundles: tuple[tuple[str, Path], ...] = ()
    scales: tuple[int, ...] = ()
    metrics: str = TWO
    colour: str | None = None
    fit: tuple[Path, ...] = ()
    reduce: bool = False
    old_matlab: bool = False


def read_scales(words: Sequence[str]) -> tuple[int, ...]:
    """Read scales given as "2,3,4" or one by one.

    Raises
    ------
    InputError
        If one is no whole number from 2 to 8.
    """
    scales: dict[int, None] = {}
    for word in (part for text in words for part in text.replace(",", " ").split()):
        if not word.isdecimal() or not 2 <= int(word) <= LARGEST_SCALE:
            raise InputError(f"--scale {word}", f"whole numbers from 2 to {LARGEST_SCALE}", "For instance: --scale 2,3,4")
        scales[int(word)] = None
    return tuple(scales)


def measure(wish: Wish, log: Log) -> tuple[SetScores, ...]:
    """Find the sets, make the methods, and measure.

    Raises
    ------
    InputError
        If a word is unknown, a method lacks what it needs, or there is nothing to measure.
    BundleError
        If a bundle cannot be read.
    """
    from domains.photo.benchmark import find_sets, read_uint8
    from sr_core.stages.benchmark import Reduction, benchmark, reducing

    if wish.metrics not in (TWO, ALL):
        raise InputError(f"--metrics {wish.metrics}", f"{TWO} or {ALL}", "Take all for the six figures of the SRCNN journal paper.")
    models = _models(wish)
    scales = wish.scales or tuple(sorted({model.scale for model in models if model.scale})) or SCALES
    sets = find_sets(wish.folders, scales, log)
    if wish.reduce:
        sets = [reducing(place) for place in sets]
    reduction = Reduction("clamp", single=True) if wish.old_matlab else Reduction()
    upscalers = [*_plain(wish, sets, read_uint8, bool(models)), *models]
    return benchmark(sets, upscalers, read_uint8, six=wish.metrics == ALL, reduction=reduction, log=log)


def _models(wish: Wish) -> list[Upscaler]:
    from sr_core.families import FAMILIES
    from sr_core.stages.upscalers import Model

    models = [Model(folder, label, _colour(wish)) for label, folder in wish.bundles]
    for name in wish.methods:
        if name in PLAIN:
            continue
        if name not in FAMILIES:
            known = ", ".join((*PLAIN, *(family for family in FAMILIES if family not in PLAIN)))
            raise InputError(f"--method {name}", f"one of {known}", "Choose one of them, or give a model: --bundle PATH")
        if name not in {model.family for model in models}:
            raise InputError(
                f"--method {name} without a model of that family", "a trained one, as --bundle PATH|MODEL",
                f"Train one: sr train photo PICTURES --set network.family={name}",
            )  # fmt: skip
    return list(models)


def _plain(wish: Wish, sets: Sequence[PictureSet], read: Callable[[Path], object], modelled: bool) -> list[Upscaler]:
    from sr_core.stages.upscalers import FittedFilter, Interpolation, Projected

    border, colour = "clamp" if wish.old_matlab else "symmetric", _colour(wish) or "luma"
    names = [name for name in dict.fromkeys(wish.methods) if name in PLAIN] or ([] if wish.methods and modelled else ["bicubic"])
    made: list[Upscaler] = []
    for name in names:
        if name == "projected":
            made.append(Projected(colour))
        elif name == "linear":
            made.append(FittedFilter([partial(read, path) for path in _to_fit_on(wish, sets)], colour))  # type: ignore[misc]
        else:
            made.append(Interpolation(name, border, colour))  # type: ignore[arg-type]
    return made


def _to_fit_on(wish: Wish, sets: Sequence[PictureSet]) -> list[Path]:
    """List the pictures that the filter is fitted on; none of them may be measured on."""
    from domains.photo.benchmark import pictures_below
    from sr_core.workspace import file_sha256

    if not wish.fit:
        raise InputError("--method linear without pictures to fit the filter on", "--fit PATH", "For instance: --fit T91/")
    found = pictures_below([path.expanduser() for path in wish.fit])
    measured = {file_sha256(picture.hr): picture.hr for place in sets for picture in place.pictures}
    for path in found:
        if (same := measured.get(file_sha256(path))) is not None:
            raise InputError(f"--fit {path}, which is measured on, too ({same})", "other pictures than those of the sets", "Leave it out.")
    return found


def _colour(wish: Wish) -> Colour | None:
    from sr_core.stages.upscalers import Colour

    if wish.colour is None:
        return None
    for colour in get_args(Colour):
        if colour == wish.colour:
            return colour  # type: ignore[no-any-return]
    raise InputError(f"--colour {wish.colour}", "luma or rgb", "Leave it out to take what the model takes.")
