from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from flows.model import BundleModel
from sr_core.bundle import Bundle, BundleCard, Curve
from sr_core.errors import InputError, ShapeError
from sr_core.networks import Descriptor, build
from sr_core.operators import make_operator
from sr_core.raster import Float32Array
from sr_core.recipe import Recipe
from sr_core.stages.restore import Restorer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    operator = make_operator("bicubic", 2).to_json()
    net = build(Descriptor(family="edsr", scale=2, width=8, blocks=1, linear_taps=5, spread=True, operator=operator), 5)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    card = BundleCard(
        descriptor=net.descriptor, operator=operator, mean=120.0, std=30.0, bands=("a",), unit="grey level",
        valid_range=(0.0, 255.0), step=1.0, data_range=255.0, recipe=Recipe(domain="photo"), data="0" * 64, data_summary="made up",
        parents=(), software="test", licence="CC0", credits=(), notes=(),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    Bundle.save(path, card, net, Curve())
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> BundleModel:
    made = BundleModel()
    made.load_context(SimpleNamespace(artifacts={"bundle": str(folder)}))
    return made


def batch(*shape: int) -> Float32Array:
    return np.random.default_rng(0).uniform(20, 220, shape).astype(np.float32)


def test_same_pixels_and_half_widths_as_the_library_bit_for_bit(model: BundleModel, folder: Path) -> None:
    images = batch(2, 3, 21, 34)
    given = model.predict(None, images)
    restorer = Restorer(folder)
    for i, image in enumerate(images):
        restored = restorer.restore(image, np.ones((21, 34), bool))
        np.testing.assert_array_equal(given["sr"][i], restored.sr)
        np.testing.assert_array_equal(given["half_width"][i], restored.half_width)
    assert given["sr"].shape == given["half_width"].shape == (2, 3, 42, 68)
    assert given["sr"].dtype == given["half_width"].dtype == np.float32


def test_a_hole_comes_back_as_a_hole_and_the_rest_as_the_library_has_it(model: BundleModel, folder: Path) -> None:
    image = batch(1, 2, 24, 20)
    image[0, 1, 3:7, 5:9] = np.nan  # missing in one band is missing
    given = model.predict(None, image)["sr"][0]
    mask = np.ones((24, 20), bool)
    mask[3:7, 5:9] = False
    wide = mask.repeat(2, 0).repeat(2, 1)
    assert np.isnan(given[:, ~wide]).all()
    np.testing.assert_array_equal(given[:, wide], Restorer(folder).restore(image[0], mask).sr[:, wide])


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 1, 8, 8), (0, 1, 8, 8), (1, 1, 0, 8)])
def test_other_shapes_are_refused(model: BundleModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="N, C, H, W"):
        model.predict(None, np.zeros(shape, np.float32))


def test_no_message_holds_a_pixel_value(model: BundleModel) -> None:
    with pytest.raises(InputError) as caught:
        model.predict(None, np.full((1, 1, 8, 8), 1234.5))
    assert "float64" in str(caught.value)
    assert "1234" not in str(caught.value)


def test_unknown_parameters_are_refused(model: BundleModel) -> None:
    with pytest.raises(InputError, match="gain"):
        model.predict(None, batch(1, 1, 8, 8), params={"gain": 2.0})
