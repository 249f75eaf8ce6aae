"""Noise of a measurement: drawn from an explicit generator, and its standard deviation at each pixel.

References
----------
A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data, IEEE
TIP 17 (2008), doi:10.1109/TIP.2008.2001399.
H. Gudbjartsson, S. Patz, The Rician distribution of noisy MRI data, MRM 34 (1995), doi:10.1002/mrm.1910340618.
K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, Beyond a Gaussian denoiser, IEEE TIP 26 (2017), doi:10.1109/TIP.2017.2662206 (levels of 255).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sr_core.errors import InputError, OperatorError

SCHEMA = 1
STRONG = 1e3  # signal over noise above which a Rician variance is taken from its series: 1e-12 there, while the formula cancels


@dataclass(frozen=True)
class Noise:
    """A model of measurement noise; immutable. Make it with `make_noise`.

    Attributes
    ----------
    kind, parameters, version : what it is; parameters are in the image's unit.
    text : it in words.
    """

    kind: str
    parameters: tuple[tuple[str, float], ...]
    version: int
    text: str = field(compare=False)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Give x with noise.

        Parameters
        ----------
        x : Tensor
            Any shape, float32 or float64, the clean measurement. poisson_gaussian takes values below 0 as 0 for the counts.
        generator : torch.Generator
            Where the numbers come from, drawn on its device: the same ones for an image on any device.

        Raises
        ------
        InputError
            If x is neither float32 nor float64, or has a value that is not finite.
        """
        _check(x)
        return MODELS[self.kind].draw(x, generator, dict(self.parameters))

    def variance(self, x: Tensor) -> Tensor:
        """Give the variance of the noise where the clean measurement is x: same shape, unit squared.

        From a noisy measurement it is an estimate. Rician: of the magnitude about its own (raised) mean.
        """
        _check(x)
        return MODELS[self.kind].variance(x, dict(self.parameters))

    def sigma(self, x: Tensor) -> Tensor:
        """Give the standard deviation of the noise where the clean measurement is x: same shape and unit, for `project(noise=)`."""
        return self.variance(x).sqrt()

    def to_json(self) -> str:
        """Give the model as canonical JSON text; `noise_from` reads it."""
        body = {"schema": SCHEMA, "kind": self.kind, "version": self.version, "parameters": dict(self.parameters)}
        return json.dumps(body, sort_keys=True)

    def digest(self) -> str:
        """Give the sha256 of the JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def describe(self) -> str:
        """Say in one sentence what it does."""
        return f"{self.text[0].upper()}{self.text[1:]}."


Values = dict[str, float]


@dataclass(frozen=True)
class Model:
    """A kind of noise: how it is drawn, its variance, and its parameters by name (all >= 0; `positive` ones above 0)."""

    draw: Callable[[Tensor, torch.Generator, Values], Tensor]
    variance: Callable[[Tensor, Values], Tensor]
    text: str
    required: tuple[str, ...]
    positive: tuple[str, ...] = ()
    version: int = 1


def _normal(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device)


def _level(values: Values) -> float:
    return values["level"] / 255 * values["data_range"]


def _poisson_gaussian(x: Tensor, generator: torch.Generator, values: Values) -> Tensor:
    counts = torch.poisson((x.detach().clamp(min=0) / values["gain"]).to(generator.device), generator=generator).to(x.device)
    return values["gain"] * counts + x.clamp(max=0) + values["sigma"] * _normal(x, generator)


def _rician(x: Tensor, generator: torch.Generator, values: Values) -> Tensor:
    real, imaginary = (values["sigma"] * _normal(x, generator) for _ in range(2))
    return torch.hypot(x + real, imaginary)


def _rician_variance(x: Tensor, values: Values) -> Tensor:
    """Evaluate `2 s² + x² - (pi / 2) s² L(-x² / 2 s²)²`, L the Laguerre function of order 1/2."""
    sigma = values["sigma"]
    if sigma == 0:
        return torch.zeros_like(x)
    ratio = x.abs().double() / sigma
    low = ratio.clamp(max=STRONG)
    u = low * low / 4
    laguerre = (1 + 2 * u) * torch.special.i0e(u) + 2 * u * torch.special.i1e(u)
    exact = 2 + low * low - math.pi / 2 * laguerre * laguerre
    series = 1 - 1 / (2 * ratio.clamp(min=1) ** 2)
    return (sigma * sigma * torch.where(ratio < STRONG, exact, series)).to(x.dtype)


MODELS: dict[str, Model] = {
    "gaussian": Model(
        lambda x, generator, p: x + p["sigma"] * _normal(x, generator),
        lambda x, p: torch.full_like(x, p["sigma"] ** 2),
        "white Gaussian noise with a standard deviation of {sigma:g}",
        ("sigma",),
    ),
    "dn": Model(
        lambda x, generator, p: x + _level(p) * _normal(x, generator),
        lambda x, p: torch.full_like(x, _level(p) ** 2),
        "white Gaussian noise of level {level:g} of 255 in a data range of {data_range:g}",
        ("level", "data_range"),
        ("data_range",),
    ),
    "poisson_gaussian": Model(
        _poisson_gaussian,
        lambda x, p: p["gain"] * x.clamp(min=0) + p["sigma"] ** 2,
        "counting noise of {gain:g} a count and white Gaussian noise with a standard deviation of {sigma:g}",
        ("gain", "sigma"),
        ("gain",),
    ),
    "rician": Model(
        _rician,
        _rician_variance,
        "Rician noise: the magnitude of a signal with a standard deviation of {sigma:g} in both of its channels",
        ("sigma",),
    ),
}


def make_noise(kind: str, **parameters: float) -> Noise:
    """Make a model of noise.

    Parameters
    ----------
    kind : str
        "gaussian" (sigma), "dn" (level of 255, 30 unless given, and data_range, the image's largest minus smallest value),
        "poisson_gaussian" (gain: image units a count; sigma: read noise; the variance is gain x + sigma²), or "rician" (sigma a channel).
    **parameters : float
        The kind's own, in the image's unit.

    Raises
    ------
    OperatorError
        If the kind or a parameter is unknown, missing or out of range.

    Examples
    --------
    >>> make_noise("dn", data_range=1.0).describe()
    'White Gaussian noise of level 30 of 255 in a data range of 1.'
    """
    if kind not in MODELS:
        near = difflib.get_close_matches(str(kind), MODELS, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Choose one of these."
        raise OperatorError(f"noise kind {kind!r}", "one of " + ", ".join(MODELS), remedy)
    model = MODELS[kind]
    values = {"level": 30.0} if kind == "dn" else {}
    values |= {name: float(value) for name, value in parameters.items()}
    if set(values) != set(model.required):
        missing = [f"no {name}" for name in model.required if name not in values]
        fault = missing[0] if missing else f"parameter {next(name for name in values if name not in model.required)!r}"
        raise OperatorError(f"noise {kind} with {fault}", ", ".join(model.required), f"Give {kind} its parameters by these names.")
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0) or (name in model.positive and value == 0):
            floor = "above 0" if name in model.positive else "of at least 0"
            raise OperatorError(
                f"{name} = {value:g}", f"a number {floor}, in the image's unit", "Give what the sensor's data sheet states."
            )
    return Noise(kind, tuple(sorted(values.items())), model.version, model.text.format(**values))


def noise_from(text: str) -> Noise:
    """Read a model back from the JSON that `to_json` gave.

    Raises
    ------
    OperatorError
        If the text is not such a JSON, or a newer version wrote it.
    """
    try:
        body = json.loads(text)
        schema, kind, version, parameters = (body[name] for name in ("schema", "kind", "version", "parameters"))
        values = {str(name): float(value) for name, value in parameters.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        given = f"text that does not read as a noise model ({type(error).__name__}: {error})"
        raise OperatorError(given, "a noise model's JSON", "Give the text that its to_json() wrote.") from error
    if schema != SCHEMA:
        raise OperatorError(f"a noise model of schema {schema}", f"schema {SCHEMA}", "Install a newer version of this package.")
    noise = make_noise(str(kind), **values)
    if version != noise.version:
        remedy = "What it drew cannot be repeated here: prepare the data again."
        raise OperatorError(f"noise {kind} of version {version}", f"version {noise.version}", remedy)
    return noise


def _check(x: Tensor) -> None:
    if x.dtype not in (torch.float32, torch.float64):
        raise InputError(f"an image of {x.dtype}", "float32 or float64", "Convert it first: x.float().")
    if not bool(torch.isfinite(x).all()):
        raise InputError("an image with pixels that are not finite", "finite values", "Fill or mask them before noise is drawn.")
