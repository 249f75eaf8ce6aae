"""The kinds of degradation by name, and how an operator is made of them and read back.

References
----------
C. Dong, C. C. Loy, K. He, X. Tang, Image super-resolution using deep convolutional networks, IEEE TPAMI 38 (2016),
doi:10.1109/TPAMI.2015.2439281 (bicubic as MATLAB has it).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sr_core.errors import OperatorError
from sr_core.operators import taps
from sr_core.operators.bandwise import BandwiseOperator
from sr_core.operators.base import Operator
from sr_core.operators.factor import Factor, FloatArray
from sr_core.operators.kspace import KSpaceOperator
from sr_core.operators.parameters import Given, Shape, Value, along, band_count, of_band, per_axis, read_value, said
from sr_core.operators.separable import SeparableOperator

SCHEMA = 1
IDENTITY = Factor(1, 0, (1.0,))


@dataclass(frozen=True)
class Kind:
    """A kind of degradation.

    Attributes
    ----------
    taps : from the scale (and the parameters by name) to the taps along one axis.
    upscaler : the kind whose scaled adjoint is the ordinary interpolation that goes with it.
    version : raised when the taps of the same parameters change.
    text : what it is, for a person; `{name}` stands for a parameter.
    required, optional : names of the parameters and what each may be.
    """

    taps: Callable[..., FloatArray]
    upscaler: str
    version: int
    text: str
    required: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "bicubic": Kind(
        taps.antialiased(taps.cubic, 2),
        "bicubic",
        1,
        "bicubic reduction as MATLAB's imresize does it (Keys kernel, a = -0.5, antialiased)",
    ),
    "bilinear": Kind(taps.antialiased(taps.triangle, 1), "bilinear", 1, "bilinear reduction as MATLAB's imresize does it (antialiased)"),
    "nearest": Kind(lambda scale: np.ones(1), "box", 1, "one pixel kept of each block, with no antialiasing"),
    "box": Kind(lambda scale: np.full(scale, 1 / scale), "box", 1, "mean over blocks of pixels"),
    "gaussian": Kind(
        taps.gaussian,
        "bicubic",
        1,
        "Gaussian blur of {sigma} px standard deviation, then one pixel kept of each block",
        {"sigma": "number"},
        {"taps": "number"},
    ),
    "mtf": Kind(
        taps.mtf,
        "bicubic",
        1,
        "Gaussian sensor blur with an MTF of {value} at the LR Nyquist frequency, sampled at LR pixel centres",
        {"value": "banded"},
    ),
    "taps": Kind(
        taps.by_value, "bicubic", 1, "blur by taps given by value ({taps}), then one pixel kept of each block", {"taps": "listed"}
    ),
}


@dataclass(frozen=True)
class _Fourier:
    """A kind without taps: `KSpaceOperator` does it."""

    version: int
    text: str
    required: Mapping[str, Shape]
    optional: Mapping[str, Shape]


FOURIER: dict[str, _Fourier] = {
    "kspace": _Fourier(1, "truncation in k-space to the central frequencies, edges wrap", {}, {"centred": "number"})
}


def make_operator(kind: str, scale: int | tuple[int, int], **parameters: Given) -> Operator:
    """Make a known degradation.

    Parameters
    ----------
    kind : str
        "bicubic", "bilinear", "nearest", "box", "gaussian" (sigma in HR px; taps: how many, by default 4 sigma each side), "mtf"
        (value at the LR Nyquist frequency: one number, or one a band), "taps" (taps: at most 255 numbers of sum 1, centred on the LR
        pixel as all kinds are), or "kspace" (centred: 1, or 0 for LR pixels on the corners of their blocks; whole images only).
    scale : int or (int, int)
        HR pixels a LR pixel, for rows and columns; 1 leaves an axis as it is (slice direction).
    **parameters : float or lists of float
        The kind's own. The mtf's value and the taps may be two lists, for rows (down the image) and for columns; a list of one
        MTF value holds for all bands.

    Raises
    ------
    OperatorError
        If the kind or a parameter is unknown, missing or out of range, or the scale is not usable.

    Examples
    --------
    >>> make_operator("bicubic", 2).rows.taps[:4]
    (-0.01171875, -0.03515625, 0.11328125, 0.43359375)
    >>> make_operator("mtf", 2, value=[0.26, 0.28, 0.24]).bands
    3
    """
    names = [*KINDS, *FOURIER]
    if kind not in names:
        near = difflib.get_close_matches(str(kind), names, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Choose one of these."
        raise OperatorError(f"operator kind {kind!r}", "one of " + ", ".join(names), remedy)
    entry = FOURIER[kind] if kind in FOURIER else KINDS[kind]
    pair = _scale(scale)
    missing = [name for name in entry.required if name not in parameters]
    unknown = [name for name in parameters if name not in {**entry.required, **entry.optional}]
    if missing or unknown:
        fault = f"no {missing[0]}" if missing else f"parameter {unknown[0]!r}"
        known = ", ".join([*entry.required, *(f"{name} (optional)" for name in entry.optional)]) or "no parameters"
        raise OperatorError(f"operator {kind} with {fault}", known, f"Give {kind} its parameters by these names.")
    shapes = {**entry.required, **entry.optional}
    values = {name: read_value(name, value, shapes[name]) for name, value in parameters.items()}
    if isinstance(entry, _Fourier):
        return _fourier(kind, pair, entry, values)
    if 1 in pair and any(map(per_axis, values.values())):
        raise OperatorError(
            f"{kind} with lists for both axes and scale {pair}", "one list: an axis of scale 1 is left as it is", "Give one."
        )
    return _banded(kind, pair, entry, values, shapes)


def _banded(kind: str, scale: tuple[int, int], entry: Kind, values: dict[str, Value], shapes: Mapping[str, Shape]) -> Operator:
    """Make the operator of each band, and put them together where they differ."""
    bands = max([band_count(value) for name, value in values.items() if shapes[name] == "banded"], default=1)
    whole = _separable(kind, scale, entry, values, shapes) if bands == 1 else None
    if whole is not None:
        return whole
    each = [{name: of_band(v, band) if shapes[name] == "banded" else v for name, v in values.items()} for band in range(bands)]
    return BandwiseOperator(
        kind=kind,
        scale=scale,
        parameters=tuple(sorted(values.items())),
        version=entry.version,
        text=_text(entry, values, shapes),
        members=tuple(_separable(kind, scale, entry, of_one, shapes) for of_one in each),
    )


def _separable(kind: str, scale: tuple[int, int], entry: Kind, values: dict[str, Value], shapes: Mapping[str, Shape]) -> SeparableOperator:
    def factor(of: Kind, axis: int, **given: float | tuple[float, ...]) -> Factor:
        s = scale[axis]
        return IDENTITY if s == 1 else Factor.centred(s, tuple(map(float, of.taps(s, **given))))

    def given(axis: int) -> dict[str, float | tuple[float, ...]]:
        parts = {name: along(value, axis) for name, value in values.items()}
        return {name: part if shapes[name] == "listed" else part[0] for name, part in parts.items()}

    upscaler = KINDS[entry.upscaler]
    return SeparableOperator(
        kind=kind,
        scale=scale,
        parameters=tuple(sorted(values.items())),
        version=entry.version,
        text=_text(entry, values, shapes),
        rows=factor(entry, 0, **given(0)),
        cols=factor(entry, 1, **given(1)),
        upscaler=(factor(upscaler, 0), factor(upscaler, 1)),
    )


def _text(entry: Kind, values: dict[str, Value], shapes: Mapping[str, Shape]) -> str:
    return entry.text.format(**{name: said(value, shapes[name]) for name, value in values.items()})


def _fourier(kind: str, scale: tuple[int, int], entry: _Fourier, values: dict[str, Value]) -> KSpaceOperator:
    centred = values.get("centred", 1.0)
    if centred not in (0.0, 1.0):
        raise OperatorError(f"centred = {centred:g}", "1 (the shared grid) or 0 (plain cropping)", "Leave it out for 1.")
    if centred == 1.0:
        values = {}  # the default: one text, one digest
    text = entry.text + (" (LR pixels on the corners of their blocks)" if values else "")
    return KSpaceOperator(kind=kind, scale=scale, parameters=tuple(values.items()), version=entry.version, text=text)


def interpolation(operator: Operator) -> Operator:
    """Give the operator whose `upscale` a network may build on: the degradation itself, or bicubic where that one sees whole images only.

    A network is trained on patches, run in windows, and so needs a base of finite reach; zero filling has none.
    """
    return operator if operator.windowed else make_operator("bicubic", operator.scale)


def _scale(scale: int | tuple[int, int]) -> tuple[int, int]:
    pair = tuple(scale) if isinstance(scale, tuple | list) else (scale, scale)
    if len(pair) != 2 or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in pair) or max(pair) < 2:
        expected = "a whole number of at least 2, or (rows, columns) of which one may be 1"
        raise OperatorError(f"scale {scale}", expected, "Give scale=2, for example.")
    return (pair[0], pair[1])


def operator_from(text: str) -> Operator:
    """Read an operator back from the JSON that `to_json` gave.

    Raises
    ------
    OperatorError
        If the text is not such a JSON, or a newer version wrote it.
    """
    try:
        body = json.loads(text)
        schema, kind, scale, version, parameters = (body[name] for name in ("schema", "kind", "scale", "version", "parameters"))
        pair = (scale[0], scale[1])
        values: dict[str, Any] = {str(name): value for name, value in parameters.items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        given = f"text that does not read as an operator ({type(error).__name__}: {error})"
        raise OperatorError(given, "an operator's JSON", "Give the text that an operator's to_json() wrote.") from error
    if schema != SCHEMA:
        raise OperatorError(f"an operator of schema {schema}", f"schema {SCHEMA}", "Install a newer version of this package.")
    operator = make_operator(str(kind), pair, **values)
    if version != operator.version:
        remedy = "What it made cannot be repeated here: prepare the data again."
        raise OperatorError(f"operator {kind} of version {version}", f"version {operator.version}", remedy)
    return operator
