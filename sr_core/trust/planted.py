"""Planted objects: whether small objects that are there are kept. Needs the truth (`created` finds objects that are not there).

Objects are Gaussian, of a full width at half height in HR px. Images are float32 (C, H, W) in one physical unit; masks are bool (H, W),
True = usable, or None for all. Places are always the same for an image's shape and mask. They are pixel centres: of a Gaussian 1.5 px wide
bicubic x2 then keeps 0.48, of one between four pixels 0.65; from 3 px on the position hardly matters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sr_core.errors import InputError, ShapeError, TrustError
from sr_core.raster import BoolArray, Float32Array, fill_nearest
from sr_core.records import Record
from sr_core.trust.hallucination import Upscale, checked_mask, spread_evenly

if TYPE_CHECKING:
    from sr_core.operators import Operator

Float64Array = npt.NDArray[np.float64]
Place = tuple[int, int]  # row and column of an object's centre, HR px
PLACES = 12
SIZES = (1.5, 2.0, 3.0, 4.0, 6.0)  # HR px
KEPT = 0.5  # of bicubic's recovery: below it an object counts as erased
UNKNOWN = "the degradation is not a known linear operator, so an object cannot be sent through it"
PHASES = 4  # offsets from a lattice, so that objects lie at different positions in their LR pixels


class PlantedPlace(Record):
    """One object: its centre (HR px) and the share of it that came through, beside plain bicubic's."""

    row: int
    col: int
    recovery: float
    bicubic: float

    @property
    def erased(self) -> bool:
        """Whether less came through than half of what bicubic keeps."""
        return not self.recovery >= KEPT * self.bicubic


class PlantedObjects(Record):
    """Objects of one size and amplitude, planted in the truth and looked for in the output.

    Attributes
    ----------
    fwhm, amplitude : HR px, and unit of the image.
    places : one entry an object; empty: absent.
    side_effect : the largest change farther than 3 fwhm + 6 px from every object, as a share of the amplitude; None: no pixel is so far.
    absent : why nothing was tried; "" where it was.
    """

    fwhm: float
    amplitude: float
    places: tuple[PlantedPlace, ...] = ()
    side_effect: float | None = None
    absent: str = ""

    @property
    def recovery(self) -> float | None:
        """Mean share that came through, <z1 - z0, L> / <L, L>; None: absent."""
        return float(np.mean([p.recovery for p in self.places])) if self.places else None

    @property
    def bicubic(self) -> float | None:
        """The same of plain bicubic."""
        return float(np.mean([p.bicubic for p in self.places])) if self.places else None

    @property
    def erased(self) -> int:
        """Number of objects of which less came through than half of what bicubic keeps."""
        return sum(p.erased for p in self.places)


class RecoveryCurve(Record):
    """Recovery by size; `size_at_half` and `bicubic_size_at_half` are the FWHM (HR px) from which half of an object comes through.

    The smallest size tried where already that is kept by half; None where none is (or nothing was tried).
    """

    sizes: tuple[PlantedObjects, ...]
    size_at_half: float | None
    bicubic_size_at_half: float | None


def choose_places(shape: tuple[int, int], fwhm: float, mask: BoolArray | None = None, count: int = PLACES) -> tuple[Place, ...]:
    """Choose where to plant: `count` places as far apart as fit, usable for two widths around each.

    Raises
    ------
    InputError
        If the width or the count is not above 0.
    ShapeError
        If fewer fit, at least one width apart.
    """
    from scipy.ndimage import minimum_filter

    if not (math.isfinite(fwhm) and fwhm > 0 and count > 0):
        raise InputError(f"{count} objects {fwhm} px wide", "numbers above 0", "Give fwhm=3, for example.")
    margin = math.ceil(2 * fwhm) + PHASES
    usable = np.ones(shape, bool) if mask is None else mask
    free = np.asarray(minimum_filter(usable, 2 * margin + 1, mode="constant", cval=0), np.bool_)
    step, found = 2 * _reach(fwhm), 0
    while step >= max(fwhm, 2.0):
        lattice = [
            (r, c)
            for r in np.arange(margin + step / 2, shape[0] - margin, step).astype(int).tolist()
            for c in np.arange(margin + step / 2, shape[1] - margin, step).astype(int).tolist()
            if free[r, c]
        ]
        found = max(found, len(lattice))
        if len(lattice) >= count:
            chosen = spread_evenly(lattice, count)
            return tuple((r + k % PHASES, c + k // PHASES % PHASES) for k, (r, c) in enumerate(chosen))
        step /= 1.25
    raise ShapeError(
        f"an image of {shape[0]} x {shape[1]} px with room for {found} objects {fwhm:g} px wide",
        f"room for {count}, each with {margin} usable px around it",
        "Use a larger image, or smaller objects.",
    )


def planted_objects(
    x: Float32Array,
    upscale: Upscale,
    operator: Operator | None,
    fwhm: float,
    amplitude: float,
    mask: BoolArray | None = None,
    count: int = PLACES,
) -> PlantedObjects:
    """Plant objects in the truth, degrade it, upscale it, and see how much of each comes through.

    Parameters
    ----------
    x : float32 (C, H, W), truth; sides are multiples of the operator's scale.
    upscale : gives the SR image of a measurement. It is called once without objects (for all sizes), and once for each
        lot of objects that do not touch.
    operator : the known degradation, or None.
    fwhm : HR px.
    amplitude : the peak, unit of x, in every band; not 0.
    mask : bool (H, W) or None.
    count : objects, at least 12.

    Raises
    ------
    InputError
        If width, amplitude or count are out of range.
    ShapeError
        If the arrays do not fit, or the objects do not.
    TrustError
        If the upscaler gives another shape.
    """
    usable = checked_mask(x, mask)
    if not math.isfinite(amplitude) or amplitude == 0 or count < PLACES:
        raise InputError(f"{count} objects of amplitude {amplitude}", f"at least {PLACES}, of an amplitude other than 0", "Give others.")
    if operator is None:
        return PlantedObjects(fwhm=fwhm, amplitude=amplitude, absent=UNKNOWN)
    return _planted(_Trial(x, upscale, operator, usable), fwhm, amplitude, count)


class _Trial:
    """A truth that is degraded and restored with and without objects; without them once."""

    def __init__(self, x: Float32Array, upscale: Upscale, operator: Operator, usable: BoolArray) -> None:
        self.usable = usable & np.isfinite(x).all(axis=0)
        self._x, self._upscale, self._operator = x, upscale, operator

    @cached_property
    def _truth(self) -> Float64Array:
        return np.asarray(fill_nearest(self._x, self.usable).astype(np.float64))

    @cached_property
    def _before(self) -> tuple[Float64Array, Float64Array]:
        return self._restored(self._truth)

    def changes(self, objects: Float64Array) -> list[Float64Array]:
        """Give what objects, float64 (H, W), change in the upscaler's image and in bicubic's."""
        return [after - before for after, before in zip(self._restored(self._truth + objects), self._before, strict=True)]

    def _restored(self, image: Float64Array) -> tuple[Float64Array, Float64Array]:
        import torch

        from sr_core.operators import make_operator

        y = self._operator.apply(torch.from_numpy(image))
        made = self._upscale(y.numpy().astype(np.float32))
        if made.shape != image.shape:
            raise TrustError(f"an upscaled image of shape {made.shape}", f"{image.shape}", "Give the upscaler of this operator's scale.")
        plain = make_operator("bicubic", self._operator.scale)
        return made.astype(np.float64), np.asarray(plain.upscale(y).numpy(), np.float64)


def _planted(trial: _Trial, fwhm: float, amplitude: float, count: int = PLACES) -> PlantedObjects:
    height, width = trial.usable.shape
    places = choose_places((height, width), fwhm, trial.usable, count)
    rows, side = [], None
    for lot in _lots(places, 2 * _reach(fwhm)):
        objects = sum((_object((height, width), place, fwhm) for place in lot), np.zeros((height, width)))
        changes = trial.changes(amplitude * objects)
        for place in lot:
            shares = [_share(change, place, fwhm) / amplitude for change in changes]
            rows.append(PlantedPlace(row=place[0], col=place[1], recovery=shares[0], bicubic=shares[1]))
        far = trial.usable & _far((height, width), lot, fwhm)
        side = _worse(side, float(np.abs(changes[0][:, far]).max() / abs(amplitude)) if far.any() else None)
    return PlantedObjects(fwhm=fwhm, amplitude=amplitude, places=tuple(rows), side_effect=side)


def recovery_curve(
    x: Float32Array,
    upscale: Upscale,
    operator: Operator | None,
    amplitude: float,
    mask: BoolArray | None = None,
    sizes: Sequence[float] = SIZES,
) -> RecoveryCurve:
    """Plant objects of several sizes (FWHM in HR px, rising); the other parameters and errors are those of `planted_objects`."""
    if not math.isfinite(amplitude) or amplitude == 0:
        raise InputError(f"objects of amplitude {amplitude}", "an amplitude other than 0", "Give another.")
    if not sizes or any(b <= a for a, b in itertools.pairwise(sizes)):
        raise InputError(f"sizes {tuple(sizes)}", "one or more, rising", f"Give {SIZES}.")
    if operator is None:
        rows = tuple(PlantedObjects(fwhm=size, amplitude=amplitude, absent=UNKNOWN) for size in sizes)
    else:
        trial = _Trial(x, upscale, operator, checked_mask(x, mask))
        rows = tuple(_planted(trial, size, amplitude) for size in sizes)
    return RecoveryCurve(
        sizes=rows,
        size_at_half=size_at_half(sizes, [r.recovery for r in rows]),
        bicubic_size_at_half=size_at_half(sizes, [r.bicubic for r in rows]),
    )


def size_at_half(sizes: Sequence[float], recoveries: Sequence[float | None]) -> float | None:
    """Give the size from which on half of an object comes through, by linear interpolation; see `RecoveryCurve`."""
    values = [math.nan if r is None else r for r in recoveries]
    kept = len(values)
    while kept and values[kept - 1] >= 0.5:
        kept -= 1
    if kept == len(values):
        return None
    if kept == 0 or math.isnan(values[kept - 1]):
        return sizes[kept]
    low, high = values[kept - 1], values[kept]
    return sizes[kept - 1] + (0.5 - low) / (high - low) * (sizes[kept] - sizes[kept - 1])


def profile(pixels: npt.NDArray[np.integer], centre: float, fwhm: float) -> Float64Array:
    """Give a Gaussian object of amplitude 1 along an axis: float64 like `pixels` (HR px)."""
    return np.asarray(np.exp(-4 * math.log(2) * ((pixels - centre) / fwhm) ** 2), np.float64)


def _reach(fwhm: float) -> float:
    """Give how far from its centre an object may change an image, HR px."""
    return 3 * fwhm + 6


def _object(shape: tuple[int, ...], place: Place, fwhm: float) -> Float64Array:
    return np.outer(*(profile(np.arange(n), at, fwhm) for n, at in zip(shape, place, strict=True)))


def _share(change: Float64Array, place: Place, fwhm: float) -> float:
    """Give <change, L> / <L, L>, mean over bands, over the pixels within an object's reach."""
    parts = [slice(max(0, math.floor(at - _reach(fwhm))), math.ceil(at + _reach(fwhm)) + 1) for at in place]
    shape = _object(change.shape[1:], place, fwhm)[parts[0], parts[1]]
    return float(np.mean(change[:, parts[0], parts[1]] * shape) / np.mean(shape**2))


def _far(shape: tuple[int, ...], places: Sequence[Place], fwhm: float) -> BoolArray:
    """Mark pixels beyond the reach of every object."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    far = np.ones(shape, bool)
    for row, col in places:
        far &= (rows - row) ** 2 + (cols - col) ** 2 > _reach(fwhm) ** 2
    return far


def _lots(places: Sequence[Place], apart: float) -> list[list[Place]]:
    """Sort places into lots whose members are so far apart."""
    lots: list[list[Place]] = []
    for place in places:
        home = next((lot for lot in lots if all(math.dist(place, other) >= apart for other in lot)), None)
        if home is None:
            lots.append([place])
        else:
            home.append(place)
    return lots


def _worse(one: float | None, other: float | None) -> float | None:
    """Give the larger; NaN is larger than all, and None is no value."""
    known = [v for v in (one, other) if v is not None]
    return float(np.max(known)) if known else None
