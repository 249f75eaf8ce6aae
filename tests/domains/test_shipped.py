"""The bundles that come with the package: whole, small, credited, of data that may be used so, and free of any machine's paths."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from domains.common.shipped import shipped
from sr_core.bundle import Bundle, read_card
from sr_core.evaluation import Evaluation
from sr_core.stages.evaluate import EVALUATION
from sr_core.stages.restore import Restorer

ROOT = Path(__file__).resolve().parent.parent.parent
DOMAINS = ("face", "medical", "photo", "satellite")
UNITS = {"satellite": "standard score", "face": "grey level"}


def _offers(domain: str) -> dict[int, Path]:
    return dict(importlib.import_module(f"domains.{domain}.domain").DOMAIN.shipped())


SHIPPED = [pytest.param(domain, scale, folder, id=f"{domain}-x{scale}") for domain in DOMAINS for scale, folder in _offers(domain).items()]


def test_what_comes_with_the_package() -> None:
    assert {domain: tuple(_offers(domain)) for domain in DOMAINS} == {"face": (4,), "medical": (), "photo": (), "satellite": (2, 4)}


@pytest.mark.parametrize(("domain", "scale", "folder"), SHIPPED)
def test_a_shipped_bundle_is_whole(domain: str, scale: int, folder: Path) -> None:
    bundle = Bundle.load(folder)  # verifies hash and probe
    card = bundle.card
    assert (card.recipe.domain, card.descriptor.scale, card.unit) == (domain, scale, UNITS[domain])
    assert card.recipe.storage == "float16" and card.descriptor.bandwise and card.descriptor.family == "edsr"
    assert card.parents == () and not card.perceptual
    assert Restorer(folder, "float32").bundle.calibration_text is not None
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1e6


@pytest.mark.parametrize(("domain", "scale", "folder"), SHIPPED)
def test_a_shipped_bundle_says_where_it_comes_from(domain: str, scale: int, folder: Path) -> None:
    card, text = read_card(folder), (folder / "card.md").read_text()
    assert card.licence.startswith("Apache-2.0") and card.credits
    assert card.licence in text and all(f"- {credit}" in text for credit in card.credits)
    if domain == "satellite":
        assert "Contains modified Copernicus Sentinel data" in text and "U.S. Geological Survey" in text
    for path in folder.iterdir():
        assert not re.search(rb"(/(home|root|tmp|work|usr|var|Users)/|[A-Z]:\\\\)", path.read_bytes()), path.name


@pytest.mark.parametrize(("domain", "scale", "folder"), SHIPPED)
def test_a_shipped_bundle_beats_its_baselines(domain: str, scale: int, folder: Path) -> None:
    path = folder / EVALUATION
    content = Evaluation.from_json(path.read_text(), str(path))
    assert content.scale == scale and not content.one_group and content.bundle == read_card(folder).weights
    for baseline in ("bicubic", "projected bicubic", "linear filter"):
        assert content.mean_psnr_db("model") > content.mean_psnr_db(baseline)


def test_only_folders_of_scales_count(tmp_path: Path) -> None:
    for name in ("x4", "x2", "xtra", ".x8.partial"):
        (tmp_path / "models" / name).mkdir(parents=True)
    (tmp_path / "models" / "x3").write_text("a file")
    assert list(shipped(tmp_path)) == [2, 4]
    assert shipped(tmp_path / "nowhere") == {}


@pytest.mark.long
def test_the_wheel_holds_them(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a build leaves its own folders beside the packages
    for name in ("sr_core", "domains", "flows"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for domain in DOMAINS:
        for folder in _offers(domain).values():
            assert {str(path.relative_to(ROOT)) for path in folder.iterdir()} <= names
    assert any(name.startswith("domains/satellite/models/x2/") for name in names)
