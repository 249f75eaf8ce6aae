"""Noise models: their first two moments, the generator, and their text."""

from __future__ import annotations

import json
import math

import pytest
import torch

from sr_core.errors import InputError, OperatorError
from sr_core.operators import Noise, make_noise, noise_from

MODELS: list[tuple[str, dict[str, float]]] = [
    ("gaussian", {"sigma": 2.5}),
    ("dn", {"data_range": 4.0}),
    ("poisson_gaussian", {"gain": 0.5, "sigma": 1.5}),
    ("rician", {"sigma": 2.0}),
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("level", [0.0, 3.0, 40.0])
@pytest.mark.parametrize(("kind", "parameters"), MODELS)
def test_sigma_is_what_is_drawn(kind: str, parameters: dict[str, float], level: float) -> None:
    noise = make_noise(kind, **parameters)
    x = torch.full((400, 500), level, dtype=torch.float64)
    drawn = noise.draw(x, generator())
    assert float(drawn.std()) == pytest.approx(float(noise.sigma(x)[0, 0]), rel=0.01)
    if kind != "rician":
        assert float(drawn.mean()) == pytest.approx(level, abs=0.03)


def test_values() -> None:
    x = torch.tensor([0.0, 8.0], dtype=torch.float64)
    assert make_noise("dn", data_range=255).sigma(x).tolist() == pytest.approx([30, 30])
    assert make_noise("dn", level=15, data_range=1).sigma(x).tolist() == pytest.approx([15 / 255] * 2)
    assert make_noise("poisson_gaussian", gain=0.5, sigma=1.5).variance(x).tolist() == pytest.approx([2.25, 6.25])
    assert make_noise("poisson_gaussian", gain=0.5, sigma=0).draw(x, generator())[0] == 0


def test_rician_variance_at_its_ends() -> None:
    noise = make_noise("rician", sigma=2.0)
    assert float(noise.variance(torch.zeros(1, dtype=torch.float64))) == pytest.approx(4 * (2 - math.pi / 2), rel=1e-12)
    far = torch.tensor([1999.0, 2001.0, 1e9], dtype=torch.float64)
    assert noise.sigma(far).tolist() == pytest.approx([2, 2, 2], rel=1e-6)  # no step where the series takes over
    assert torch.isfinite(noise.sigma(torch.linspace(0, 1e6, 1000))).all()
    assert float(make_noise("rician", sigma=0).variance(far).sum()) == 0
    assert float(noise.draw(torch.zeros(200_000), generator()).mean()) == pytest.approx(2 * math.sqrt(math.pi / 2), rel=0.01)


def test_a_generator_decides_and_nothing_else() -> None:
    for kind, parameters in MODELS:
        noise, x = make_noise(kind, **parameters), torch.full((3, 20, 20), 5.0)
        torch.manual_seed(1)
        first, again, other = noise.draw(x, generator()), noise.draw(x, generator()), noise.draw(x, generator(1))
        assert torch.equal(first, again) and not torch.equal(first, other) and first.dtype == x.dtype
        one = generator()
        noise.draw(x, one)
        assert not torch.equal(noise.draw(x, one), first)


def test_text_forms() -> None:
    for kind, parameters in MODELS:
        noise = make_noise(kind, **parameters)
        again = noise_from(noise.to_json())
        assert isinstance(again, Noise) and again == noise and again.digest() == noise.digest()
    assert make_noise("dn", data_range=1).to_json() == (
        '{"kind": "dn", "parameters": {"data_range": 1.0, "level": 30.0}, "schema": 1, "version": 1}'
    )
    assert make_noise("gaussian", sigma=2).describe() == "White Gaussian noise with a standard deviation of 2."
    assert make_noise("rician", sigma=2).describe().startswith("Rician noise: the magnitude")
    assert "0.5 a count" in make_noise("poisson_gaussian", gain=0.5, sigma=1).describe()


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("gausian", {"sigma": 1}, "Did you mean gaussian"), ("gaussian", {}, "no sigma"), ("gaussian", {"sigma": -1}, "at least 0"),
        ("dn", {}, "no data_range"), ("dn", {"data_range": 0}, "above 0"), ("rician", {"sigma": math.inf}, "at least 0"),
        ("poisson_gaussian", {"gain": 0, "sigma": 1}, "above 0"), ("gaussian", {"sigma": 1, "gain": 1}, "'gain'"),
    ],
)  # fmt: skip
def test_refusals(kind: str, parameters: dict[str, float], words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        make_noise(kind, **parameters)


@pytest.mark.parametrize(
    ("change", "words"), [({"schema": 2}, "newer version"), ({"version": 9}, "version 9"), ({"parameters": 3}, "does not read")]
)
def test_reading_refuses(change: dict[str, object], words: str) -> None:
    body = json.loads(make_noise("gaussian", sigma=1).to_json()) | change
    with pytest.raises(OperatorError, match=words):
        noise_from(json.dumps(body))


def test_images_that_are_none() -> None:
    noise = make_noise("gaussian", sigma=1)
    with pytest.raises(InputError, match="float32 or float64"):
        noise.draw(torch.zeros(3, dtype=torch.uint8), generator())
    with pytest.raises(InputError, match="not finite"):
        noise.draw(torch.tensor([1.0, math.nan]), generator())
