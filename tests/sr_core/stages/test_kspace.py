"""A degradation that sees whole images only, through every stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy import ENCODING, Run, Sentences, ToyDomain, run_stages, texture

from sr_core.bundle import Bundle
from sr_core.errors import InputError, ShapeError
from sr_core.log import Silent
from sr_core.networks import build, fit, linear_descriptor
from sr_core.operators import interpolation, make_operator
from sr_core.patches import MemoryReader, PatchStore
from sr_core.records import Group, Region, Source, Split
from sr_core.stages import regions
from sr_core.stages import restore as restore_stage
from sr_core.stages.evaluate import load_evaluation
from sr_core.stages.gate import gate
from sr_core.stages.ingest import _with_note, load_manifest
from sr_core.stages.package import package
from sr_core.stages.regions import read_pair
from sr_core.stages.restore import Restorer, upscale_array
from sr_core.stages.upscale import upscale_path
from sr_core.training import train_model

OPERATOR = make_operator("kspace", 2)


@pytest.fixture(scope="module")
def said() -> Sentences:
    return Sentences()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, said: Sentences) -> Run:
    return run_stages(tmp_path_factory.mktemp("kspace"), said, operator="kspace")


@pytest.fixture(scope="module")
def restorer(run: Run) -> Restorer:
    return Restorer(run.calibrated.path)


def test_blocks_are_images_of_their_own_and_it_is_said(run: Run) -> None:
    split = load_manifest(run.manifest).split
    assert split.notes[-1] == "kspace sees whole images: each of the 9 blocks is degraded as an image of its own, whose edges wrap around."
    assert split.notes[-1] in load_evaluation(run.evaluation).notes


def test_no_note_where_no_image_is_cut() -> None:
    source = Source(
        path=Path("a"),
        sha256="ab" * 32,
        size=1,
        group=Group(kind="patient", id="1"),
        shape=(1, 80, 90),
        bands=("a",),
        dtype="uint16",
        unit="HU",
    )
    whole = Region(source=source.sha256, window=regions.Window(0, 0, 80, 90), group=source.group)
    split = Split(train=(whole,), val=(), calibration=(), test=())
    assert _with_note(split, [source], OPERATOR) is split


def test_pairs_are_the_degraded_whole_regions(run: Run) -> None:
    manifest = load_manifest(run.manifest)
    with PatchStore(run.store.path) as store:
        (stored,) = store.images("train")
    hr, lr = (np.fft.fft2(raster.pixels.astype(np.float64)) for raster in (stored.hr, stored.lr))
    (_, height, width), (_, h, w) = hr.shape, lr.shape
    row, col = np.arange(1 - h // 2, h // 2)[:, None], np.arange(1 - w // 2, w // 2)
    # The paired frequencies of the measurement are those of the image, LR pixels on the centres of their blocks: half an HR pixel on.
    expected = hr[:, row % height, col % width] * np.exp(1j * np.pi * (row / height + col / width)) / 4
    rounding = ENCODING.step * np.sqrt(h * w / 12)  # standard deviation of a coefficient
    assert np.abs(lr[:, row % h, col % w] - expected).max() < 6 * rounding
    pair = read_pair(ToyDomain(), manifest, manifest.split.train[0], OPERATOR)
    np.testing.assert_array_equal(pair.lr.pixels, stored.lr.pixels)


def test_the_base_is_bicubic_and_windowable(run: Run) -> None:
    assert interpolation(OPERATOR).kind == "bicubic" and interpolation(make_operator("box", 2)).kind == "box"
    net = Bundle.load(run.bundle.path).net
    y = torch.rand(1, 2, 30, 40)
    plain = build(linear_descriptor(OPERATOR))  # its filter is 0 still
    torch.testing.assert_close(plain.base(y), make_operator("bicubic", 2).upscale(y))
    assert net.halo < 30


def test_the_fitted_filter_is_least_squares_over_bicubic() -> None:
    hr = torch.from_numpy(ENCODING.decode(texture(120, 120)))
    lr = OPERATOR.apply(hr.double()).float()
    net = build(linear_descriptor(OPERATOR))
    net.set_filter(fit([(lr, hr)], OPERATOR, 9))
    inside = (..., slice(30, -30), slice(30, -30))
    left, before = ((hr - z)[inside].square().mean() for z in (net.base(lr[None])[0], make_operator("bicubic", 2).upscale(lr)))
    assert left < 0.9 * before


def test_delivered_images_give_the_measurement_back(run: Run) -> None:
    for region in load_evaluation(run.evaluation).regions:
        assert next(c for c in region.verdict.checks if c.name == "residual rms").outcome == "pass"
        assert region.lr_psnr_db > region.bicubic_lr_psnr_db + 10


def test_a_network_learns_its_spread_without_a_projection(run: Run, tmp_path: Path) -> None:
    recipe = ToyDomain().recipe().with_overrides({"operator": "kspace"})
    with PatchStore(run.store.path) as store:
        trained = train_model(MemoryReader(store, "train", True), [], recipe, OPERATOR, "reflectance", tmp_path, Silent())
    assert trained.family == "edsr" and trained.net.descriptor.spread
    assert "stands on bicubic interpolation" in trained.notes[0]
    mean, spread = trained.net.forward_spread(torch.rand(1, 1, 40, 40))
    assert mean.shape == spread.shape == (1, 1, 80, 80) and bool((spread > 0).all())


def test_package_holds_it(run: Run) -> None:
    decision = gate(ToyDomain(), run.evaluation, family=run.bundle.family, approved_by=None, champion_level=None, log=Silent())
    made = package(run.calibrated, run.evaluation, decision, workspace=run.workspace, log=Silent())
    assert "k-space" in (made.path / "card.md").read_text()


def test_an_image_is_upscaled_in_one_piece(restorer: Restorer, tmp_path: Path) -> None:
    stored = texture(300, 130, seed=3)  # more than one window of another operator
    np.save(tmp_path / "lr.npy", stored)
    done = upscale_path(ToyDomain(), tmp_path / "lr.npy", restorer, tmp_path / "sr.npz", log=Silent())
    assert {c.outcome for c in done.verdict.checks if c.required} == {"pass"}
    whole = restorer.restore(ENCODING.decode(stored), np.ones(stored.shape[1:], bool))
    np.testing.assert_array_equal(np.load(tmp_path / "sr.npz")["sr"], ENCODING.encode(whole.sr))


def test_holes_and_large_images_are_refused_in_words(restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    stored = texture(60, 60)
    stored[:, 9, 9] = 0
    np.save(tmp_path / "lr.npy", stored)
    with pytest.raises(InputError, match=r"1 unusable pixels, and the operator kspace.*without holes"):
        upscale_path(ToyDomain(), tmp_path / "lr.npy", restorer, tmp_path / "sr.npz", log=Silent())
    assert not (tmp_path / "sr.npz").exists()
    monkeypatch.setattr(regions, "LARGEST_WHOLE", 100 * 100)
    assert restore_stage.check_whole is regions.check_whole
    upscale_array(run.calibrated.path, ENCODING.decode(texture(50, 50)))
    with pytest.raises(ShapeError, match=r"102 x 100 px.*sees whole images only; expected at most 10,000 px.*finite reach"):
        upscale_array(run.calibrated.path, ENCODING.decode(texture(50, 51)))
    with pytest.raises(ShapeError, match="sees whole images only"):
        run_stages(tmp_path / "large", Silent(), operator="kspace")
