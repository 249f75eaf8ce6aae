"""The kinds of degradation by name, each as its taps along one axis, and how an operator is made of them and read back.

References
----------
R. G. Keys, Cubic convolution interpolation for digital image processing, IEEE TASSP 29 (1981), doi:10.1109/TASSP.1981.1163711.
C. Dong, C. C. Loy, K. He, X. Tang, Image super-resolution using deep convolutional networks, IEEE TPAMI 38 (2016),
doi:10.1109/TPAMI.2015.2439281 (bicubic as MATLAB has it).
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sr_core.errors import OperatorError
from sr_core.operators.base import Operator
from sr_core.operators.factor import Factor, FloatArray
from sr_core.operators.kspace import KSpaceOperator
from sr_core.operators.separable import SeparableOperator

SCHEMA = 1
IDENTITY = Factor(1, 0, (1.0,))
MTF_REACH = 4.0  # standard deviations at which a sampled Gaussian is cut off: 3e-4 of its peak


@dataclass(frozen=True)
class Kind:
    """A kind of degradation.

    Attributes
    ----------
    taps : from the scale (and the parameters by name) to the taps along one axis.
    upscaler : the kind whose scaled adjoint is the ordinary interpolation that goes with it.
    version : raised when the taps of the same parameters change.
    text : what it is, for a person; `{name}` stands for a parameter.
    required, optional : names of the parameters.
    """

    taps: Callable[..., FloatArray]
    upscaler: str
    version: int
    text: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def cubic(x: FloatArray) -> FloatArray:
    """Evaluate the Keys kernel, a = -0.5, half-width 2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def triangle(x: FloatArray) -> FloatArray:
    """Evaluate the linear interpolation kernel, half-width 1."""
    return np.asarray(np.maximum(0.0, 1 - np.abs(x)), dtype=np.float64)


def _sampled(kernel: Callable[[FloatArray], FloatArray], width: float, count: int) -> FloatArray:
    """Sample a kernel of the given width (HR px a kernel unit) at `count` pixels about its centre; the sum is 1."""
    taps = kernel(np.asarray((np.arange(count) - (count - 1) / 2) / width, dtype=np.float64))
    taps = (taps + taps[::-1]) / 2  # vectorised kernels need not be even to the last bit
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _antialiased(kernel: Callable[[FloatArray], FloatArray], half_width: int) -> Callable[[int], FloatArray]:
    """Stretch an interpolation kernel by the scale, as MATLAB's imresize does; only taps inside the kernel are kept."""
    return lambda scale: _sampled(kernel, scale, 2 * half_width * scale - scale % 2)


def _gauss(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-(x**2) / 2), dtype=np.float64)


def _gaussian(scale: int, sigma: float, taps: float | None = None) -> FloatArray:
    if not (math.isfinite(sigma) and sigma > 0):
        raise OperatorError(f"sigma = {sigma}", "a standard deviation above 0, in HR pixels", "Give sigma=1.6, for example.")
    if taps is not None and (taps != int(taps) or taps < 1):
        raise OperatorError(f"taps = {taps}", "a whole number of taps, at least 1", "Give taps=7, for example.")
    return _sampled(_gauss, sigma, int(taps) if taps is not None else _count(scale, sigma))


def _count(scale: int, sigma: float) -> int:
    """Count the taps within MTF_REACH sigma; even for even scales and odd for odd ones, so that they can be centred."""
    count = 2 * math.ceil(MTF_REACH * sigma) + 1
    return count + (count - scale) % 2


def _mtf(scale: int, value: float) -> FloatArray:
    if not 0 < value < 1:
        raise OperatorError(f"value = {value}", "an MTF at the LR Nyquist frequency between 0 and 1", "Give value=0.2, for example.")
    sigma = scale * math.sqrt(-2 * math.log(value)) / math.pi
    return _sampled(_gauss, sigma, _count(scale, sigma))


KINDS: dict[str, Kind] = {
    "bicubic": Kind(
        _antialiased(cubic, 2), "bicubic", 1, "bicubic reduction as MATLAB's imresize does it (Keys kernel, a = -0.5, antialiased)"
    ),
    "bilinear": Kind(_antialiased(triangle, 1), "bilinear", 1, "bilinear reduction as MATLAB's imresize does it (antialiased)"),
    "nearest": Kind(lambda scale: np.ones(1), "box", 1, "one pixel kept of each block, with no antialiasing"),
    "box": Kind(lambda scale: np.full(scale, 1 / scale), "box", 1, "mean over blocks of pixels"),
    "gaussian": Kind(
        _gaussian,
        "bicubic",
        1,
        "Gaussian blur of {sigma:g} px standard deviation, then one pixel kept of each block",
        ("sigma",),
        ("taps",),
    ),
    "mtf": Kind(
        _mtf,
        "bicubic",
        1,
        "Gaussian sensor blur with an MTF of {value:g} at the LR Nyquist frequency, sampled at LR pixel centres",
        ("value",),
    ),
}


@dataclass(frozen=True)
class _Fourier:
    """A kind without taps: `KSpaceOperator` does it."""

    version: int
    text: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ("centred",)


FOURIER: dict[str, _Fourier] = {"kspace": _Fourier(1, "truncation in k-space to the central frequencies, edges wrap")}


def make_operator(kind: str, scale: int | tuple[int, int], **parameters: float) -> Operator:
    """Make a known degradation.

    Parameters
    ----------
    kind : str
        "bicubic", "bilinear", "nearest", "box", "gaussian" (sigma in HR px; taps: how many, by default 4 sigma each side), "mtf"
        (value at the LR Nyquist frequency), or "kspace" (centred: 1, or 0 for LR pixels on the corners of their blocks; whole images only).
    scale : int or (int, int)
        HR pixels a LR pixel, for rows and columns; 1 leaves an axis as it is (slice direction).
    **parameters : float
        The kind's own.

    Raises
    ------
    OperatorError
        If the kind or a parameter is unknown, missing or out of range, or the scale is not usable.

    Examples
    --------
    >>> make_operator("bicubic", 2).rows.taps[:4]
    (-0.01171875, -0.03515625, 0.11328125, 0.43359375)
    """
    names = [*KINDS, *FOURIER]
    if kind not in names:
        near = difflib.get_close_matches(str(kind), names, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Choose one of these."
        raise OperatorError(f"operator kind {kind!r}", "one of " + ", ".join(names), remedy)
    entry = FOURIER[kind] if kind in FOURIER else KINDS[kind]
    pair = _scale(scale)
    missing = [name for name in entry.required if name not in parameters]
    unknown = [name for name in parameters if name not in entry.required + entry.optional]
    if missing or unknown:
        fault = f"no {missing[0]}" if missing else f"parameter {unknown[0]!r}"
        known = ", ".join([*entry.required, *(f"{name} (optional)" for name in entry.optional)]) or "no parameters"
        raise OperatorError(f"operator {kind} with {fault}", known, f"Give {kind} its parameters by these names.")
    values = {name: float(value) for name, value in parameters.items()}
    if isinstance(entry, _Fourier):
        return _fourier(kind, pair, entry, values)

    def factor(of: Kind, s: int, **given: float) -> Factor:
        return IDENTITY if s == 1 else Factor.centred(s, tuple(map(float, of.taps(s, **given))))

    upscaler = KINDS[entry.upscaler]
    return SeparableOperator(
        kind=kind,
        scale=pair,
        parameters=tuple(sorted(values.items())),
        version=entry.version,
        text=entry.text.format(**values),
        rows=factor(entry, pair[0], **values),
        cols=factor(entry, pair[1], **values),
        upscaler=(factor(upscaler, pair[0]), factor(upscaler, pair[1])),
    )


def _fourier(kind: str, scale: tuple[int, int], entry: _Fourier, values: dict[str, float]) -> KSpaceOperator:
    if values.get("centred", 1.0) not in (0.0, 1.0):
        raise OperatorError(f"centred = {values['centred']:g}", "1 (the shared grid) or 0 (plain cropping)", "Leave it out for 1.")
    if values.get("centred") == 1.0:
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
        values = {str(name): float(value) for name, value in parameters.items()}
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
