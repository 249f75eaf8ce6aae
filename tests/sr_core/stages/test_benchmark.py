"""Benchmark: the papers' figures on Set5, the same pictures for every method, and what is done with colour."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bundle import make_bundle

from domains.photo.benchmark import find_sets, read_uint8
from sr_core.errors import InputError
from sr_core.log import Silent
from sr_core.metrics import srcnn_protocol
from sr_core.operators.matlab import resize, u8
from sr_core.stages.benchmark import PicturePaths, PictureSet, Reduction, SetScores, benchmark, means, reducing
from sr_core.stages.standard import STANDARD_SCORE
from sr_core.stages.upscalers import Colour, FittedFilter, Interpolation, Model, Projected, luma_of

GOLDEN = json.loads((Path(__file__).parents[1] / "metrics" / "set5_bicubic.json").read_text())
BICUBIC = Interpolation("bicubic")


def picture(side: tuple[int, int] = (90, 75), bands: int = 3, seed: int = 0) -> np.ndarray:
    """Edges at many angles, uint8."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: side[0], : side[1]]
    made = np.zeros((bands, *side))
    for angle, offset, height in zip(rng.uniform(0, 3, 30), rng.uniform(-40, 80, 30), rng.uniform(-1, 1, 30), strict=True):
        edge = np.tanh((rows * np.sin(angle) + cols * np.cos(angle) - offset) / 0.6)
        made += height * edge * rng.uniform(0.5, 1, (bands, 1, 1))
    made -= made.min()
    return (255 * made / made.max()).astype(np.uint8)


class Held:
    """Pictures by name, in the place of files; counts how often each is read."""

    def __init__(self, **pictures: np.ndarray) -> None:
        self.pictures = pictures

    def __call__(self, path: Path) -> np.ndarray:
        return self.pictures[path.stem]

    def set(self, scale: int = 2, name: str = "mine", lr: bool = False) -> PictureSet:
        names = [n for n in self.pictures if not n.endswith("_lr")]
        return PictureSet(name, scale, tuple(PicturePaths(n, Path(n), Path(f"{n}_lr") if lr else None) for n in names))


@dataclass(frozen=True)
class Bytes:
    """Bicubic on bytes, rounded in each pass."""

    name: str
    scale: int | None
    colour: Colour

    def says(self) -> str:
        return self.name

    def __call__(self, lr: np.ndarray, scale: int) -> np.ndarray:
        return resize(u8(255 * lr), scale) / 255


def run(held: Held, *upscalers: Any, place: PictureSet | None = None, **settings: Any) -> SetScores:
    (scores,) = benchmark([place or held.set()], upscalers, held, log=Silent(), **settings)
    return scores


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_on_set5(shared_data: Path, scale: int) -> None:
    sets = find_sets([shared_data / "sr_test" / "Set5"], [scale], Silent())
    (scores,) = benchmark(sets, [BICUBIC], read_uint8, log=Silent())
    (bicubic,) = scores.scores
    printed = next(row for row in scores.published if row.method == "Bicubic")
    assert means(bicubic)["PSNR"].value == pytest.approx(printed.psnr_db, abs=0.005)
    assert means(bicubic)["SSIM"].value == pytest.approx(printed.ssim, abs=5e-5)
    for name, golden in GOLDEN[f"mirror_double_x{scale}"].items():
        if name != "mean":
            assert bicubic.table.value(name, "PSNR") == pytest.approx(golden[0], abs=1e-4)
            assert bicubic.table.value(name, "SSIM") == pytest.approx(golden[1], abs=1e-5)
    assert not scores.notes and not scores.refusals


@pytest.mark.long
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_six_figures_as_the_journal_prints_them(shared_data: Path, scale: int) -> None:
    sets = find_sets([shared_data / "sr_test" / "Set5"], [scale], Silent())
    old = Reduction("clamp", single=True)
    (scores,) = benchmark(sets, [Interpolation("bicubic", "clamp")], read_uint8, six=True, reduction=old, log=Silent())
    (printed,) = scores.published
    made = {name: mean.value for name, mean in means(scores.scores[0]).items()}
    for name, field, digits in (
        ("PSNR", "psnr_db", 2), ("SSIM", "ssim", 4), ("IFC", "ifc", 2), ("NQM", "nqm_db", 2), ("WPSNR", "wpsnr_db", 2),
        ("MS-SSIM", "msssim", 4),
    ):  # fmt: skip
        assert round(made[name], digits) == getattr(printed, field), name


@pytest.mark.parametrize(("scale", "rgb_db", "luma_db"), [(2, 33.6397, 33.6280), (3, 30.3850, 30.3810), (4, 28.4164, 28.4111)])
def test_lr_pictures_of_eight_bits_cost_what_they_are_known_to_cost(shared_data: Path, scale: int, rgb_db: float, luma_db: float) -> None:
    files = sorted((shared_data / "sr_test" / "Set5").glob("*.png"))
    pictures: dict[str, np.ndarray] = {}
    for file in files:
        hr = read_uint8(file)
        hr = hr[:, : hr.shape[1] // scale * scale, : hr.shape[2] // scale * scale]
        pictures |= {file.stem: hr, f"{file.stem}_lr": resize(hr, Fraction(1, scale))}
    held = Held(**pictures)
    scores = run(held, Bytes("bytes", None, "rgb"), Bytes("bytes", None, "luma"), place=held.set(scale, "Set5", lr=True))
    assert [means(s)["PSNR"].value for s in scores.scores] == pytest.approx([rgb_db, luma_db], abs=1e-4)
    assert any("not rounded" in note for note in scores.notes)


def test_the_figures_are_those_of_the_protocol() -> None:
    held = Held(a=picture(seed=1), b=picture(seed=2))
    scores = run(held, BICUBIC, Projected())
    for name, image in held.pictures.items():
        expected = srcnn_protocol(image, 2)
        assert scores.scores[0].table.value(name, "PSNR") == expected.psnr and scores.scores[0].table.value(name, "SSIM") == expected.ssim
    bicubic, projected = (means(s)["PSNR"].value for s in scores.scores)
    assert projected > bicubic + 0.3
    assert scores.published == () and scores.notes == ()


def test_a_picture_that_cannot_be_measured_is_left_out_for_all() -> None:
    held = Held(good=picture(), tiny=picture((12, 12)), other=picture(seed=3))
    scores = run(held, BICUBIC, Interpolation("nearest"))
    assert [s.table.rows for s in scores.scores] == [("good", "other")] * 2
    assert [r.path.name for r in scores.refusals] == ["tiny"] and "SSIM" in scores.refusals[0].sentence
    with pytest.raises(InputError, match="without a picture to measure"):
        run(Held(tiny=picture((12, 12))), BICUBIC)


def test_a_picture_without_error_is_no_number_of_the_mean() -> None:
    held = Held(flat=np.full((3, 40, 40), 77, np.uint8), other=picture())
    (bicubic,) = run(held, BICUBIC).scores
    assert bicubic.table.value("flat", "PSNR") == np.inf
    mean = means(bicubic)["PSNR"]
    assert (mean.used, mean.left_out) == (1, 1) and mean.value == bicubic.table.value("other", "PSNR")


def test_lr_of_another_size_is_left_out() -> None:
    held = Held(a=picture(), a_lr=picture((30, 25)), b=picture(seed=1), b_lr=picture((45, 37)))
    scores = run(held, BICUBIC, place=held.set(lr=True))
    assert scores.scores[0].table.rows == ("b",) and "25 x 30 px" in scores.refusals[0].sentence
    assert run(held, BICUBIC, place=reducing(held.set(lr=True))).scores[0].table.rows == ("a", "b")


def test_fewer_pictures_than_the_papers_is_said() -> None:
    held = Held(a=picture())
    scores = run(held, BICUBIC, place=held.set(2, "Set14"))
    assert "14 pictures of Set14; these are 1" in scores.notes[0] and scores.published[0].psnr_db == 30.24


def test_the_fitted_filter_beats_bicubic_on_pictures_of_its_kind() -> None:
    held = Held(a=picture(seed=1), b=picture(seed=2))
    fitted = FittedFilter([lambda: picture(seed=11), lambda: picture(bands=1, seed=12)])
    scores = run(held, BICUBIC, fitted)
    bicubic, linear = (means(s)["PSNR"].value for s in scores.scores)
    assert linear > bicubic + 0.3 and "2 other pictures" in scores.scores[1].says


@pytest.mark.parametrize("unit", ["grey level", STANDARD_SCORE])
def test_a_model_is_run_in_its_unit(tmp_path: Path, unit: str) -> None:
    """The made bundle's network adds nothing, so that what is delivered is the projected base, whatever the unit."""
    model = Model(make_bundle(tmp_path / "bundle", unit), "mine")
    held = Held(a=picture(seed=1), grey=picture(bands=1, seed=2))
    scores = run(held, Projected(), model, place=held.set(model.scale))
    expected, got = (means(s)["PSNR"].value for s in scores.scores)
    assert got == pytest.approx(expected, abs=1.0) and model.colour == "luma"
    assert ("deviations from its own mean" in model.says()) == (unit == STANDARD_SCORE)
    rgb = Model(make_bundle(tmp_path / "again", unit), "mine", "rgb")
    colour = run(held, Interpolation("bicubic", colour="rgb"), rgb, place=held.set(rgb.scale))
    assert "one by one" in rgb.says() and means(colour.scores[1])["PSNR"].value > means(colour.scores[0])["PSNR"].value - 0.5


def test_a_model_of_another_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a model for HU; expected one for pictures: grey levels"):
        Model(make_bundle(tmp_path / "bundle", "HU"), "mine")


def test_no_method_of_the_scale_is_refused(tmp_path: Path) -> None:
    model = Model(make_bundle(tmp_path / "bundle", "grey level"), "mine")
    held = Held(a=picture())
    with pytest.raises(InputError, match="expected a method of that scale"):
        run(held, model, place=held.set(model.scale + 1))


def test_luma_of_grey_is_itself() -> None:
    grey = picture(bands=1)
    assert np.array_equal(luma_of(grey), grey[0])
