"""The demonstration scene, the splits and the degradations."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import rasterio

from domains.satellite import demo as module
from domains.satellite.domain import DOMAIN
from sr_core.errors import InputError
from sr_core.log import Silent

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    pytest.importorskip("spyndex", reason="the demo extra is not installed")
    return DOMAIN.demo(tmp_path / "demo")[0]


def test_it_is_the_real_cut(demo: Path) -> None:
    with rasterio.open(demo) as file:
        assert (file.count, file.height, file.width, file.dtypes[0]) == (4, 300, 300, "uint16")
        assert file.descriptions == ("B02", "B03", "B04", "B08") and file.units == ("reflectance",) * 4
        assert file.scales == (1e-4,) * 4 and file.offsets == (0.0,) * 4 and file.is_tiled
        assert file.crs is None and file.transform.is_identity
        pixels = file.read()
    assert (pixels.min(), pixels.max()) == (133, 4932)


def test_same_bytes_every_time(demo: Path, tmp_path: Path) -> None:
    assert DOMAIN.demo(tmp_path / "again")[0].read_bytes() == demo.read_bytes()
    assert [p.name for p in demo.parent.iterdir()] == [module.NAME]


@pytest.mark.filterwarnings("error")
def test_no_warning(tmp_path: Path) -> None:
    pytest.importorskip("spyndex")
    path = DOMAIN.demo(tmp_path)[0]
    (source,), _ = DOMAIN.discover([path], Silent())
    assert source.unit == "reflectance" and source.geometry == "no georeference"


def test_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "sr-trust\[demo\]"'):
        DOMAIN.demo(tmp_path)


def test_one_scene_is_cut_into_four_parts(demo: Path) -> None:
    (source,), _ = DOMAIN.discover([demo], Silent())
    split = DOMAIN.split([source], 2, 16, 1)
    split.check(16)
    assert all(region.one_group for name in ("train", "val", "calibration", "test") for region in split.part(name))  # type: ignore[arg-type]
    assert "one scene" in split.notes[0]


def test_mtf_has_its_value_at_the_lr_nyquist() -> None:
    if importlib.util.find_spec("sr_core.operators") is None:
        pytest.skip("operators are not installed")
    import torch

    operator = DOMAIN.operators()["mtf"](2)
    size, frequency = 256, 0.25  # cycles an HR px: half a cycle an LR px at scale 2
    # A cosine at the LR Nyquist aliases onto itself; the samples at phase (s - 1) / 2 = 0.5 see it at its peaks.
    wave = np.cos(2 * np.pi * frequency * (np.arange(size) - 0.5))
    y = operator.apply(torch.from_numpy(np.tile(wave, (size, 1))[None])).numpy()[0]
    inner = y[40:-40, 40:-40]
    np.testing.assert_allclose(np.abs(inner), 0.25, atol=0.02)
