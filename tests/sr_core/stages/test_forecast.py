"""The forecast: the work is what is really done, time follows the pace, memory follows the image's width, the probe leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bundle import make_bundle
from toy import ToyDomain, texture

from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Group, Source
from sr_core.stages.footprint import band_work
from sr_core.stages.forecast import (
    Pace,
    Part,
    _representative,
    forecast,
    free_bytes,
    measure_pace,
    multiply_adds,
    nominal_pace,
    resident_bytes,
)
from sr_core.stages.hallucination import HallucinationMeter
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale

PACE = Pace(network=(2e-6, 3e-6), checking=(1e-6, 1e-6), probed=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("forecast") / "bundle", "reflectance")


def source_of(height: int, width: int, bands: int = 2) -> Source:
    return Source(
        path=Path("a.npy"), sha256="0" * 64, size=1, group=Group(kind="place", id="a"), shape=(bands, height, width),
        bands=tuple(f"B{i}" for i in range(bands)), dtype="uint16", unit="reflectance",
    )  # fmt: skip


@pytest.mark.parametrize(("shape", "tile"), [((90, 70), None), ((300, 90), None), ((300, 120), 64), ((40, 600), None), ((40, 600), 200)])
def test_the_work_is_what_is_done(
    shape: tuple[int, int], tile: int | None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", texture(*shape))
    restorer = Restorer(folder, tile=tile)
    (source,), _ = ToyDomain().discover([tmp_path / "a.npy"], Silent())
    said = band_work(restorer, source)
    seen: list[int] = []
    passages: list[int] = []
    honest, stream = restorer.predictor._run, restorer.predictor.stream

    def counted(y: Any) -> Any:
        seen.append(y.shape[1] * y.shape[2])
        return honest(y)

    def watched(channels: int) -> Any:
        passage = stream(channels)
        feed = passage.feed
        passages.append(channels)
        passage.feed = lambda y, last: (seen.append(y.size), feed(y, last))[1]  # type: ignore[method-assign,assignment,return-value]
        return passage

    restorer.predictor._run, restorer.predictor.stream = counted, watched  # type: ignore[method-assign]
    monkeypatch.setattr(HallucinationMeter, "_take_measurement", lambda *_: None)  # its runs of the network are timed with the checks
    upscale(ToyDomain(), source, restorer, tmp_path / "o.npz", log=Silent())
    assert said.network_pixels == sum(seen)
    assert said.passes == (sum(passages) if passages else len(seen))
    assert said.executor == ("tiles" if tile else "rows" if shape[1] > 512 else "whole")


def test_time_is_work_times_pace(folder: Path, tmp_path: Path) -> None:
    restorer = Restorer(folder)
    small, tall = source_of(256, 300), source_of(256 * 8, 300)
    one, eight = (forecast(ToyDomain(), s, restorer, tmp_path / "o.npz", PACE) for s in (small, tall))
    work = band_work(restorer, small)
    assert one.seconds == pytest.approx(work.network_pixels * 2e-6 + work.checked_values * 1e-6)
    assert one.cpu_seconds == pytest.approx(work.network_pixels * 3e-6 + work.checked_values * 1e-6)
    assert eight.executor == "rows" and band_work(restorer, tall).network_pixels == 8 * work.network_pixels  # every pixel once
    assert eight.seconds < 1.2 * 8 * one.seconds
    assert multiply_adds(restorer, small) == work.network_pixels * restorer.predictor.net.macs_per_pixel


def test_memory_grows_with_width_not_with_height(folder: Path) -> None:
    restorer = Restorer(folder)
    wide, wider, taller = (band_work(restorer, source_of(*s)) for s in ((2000, 1500), (2000, 3000), (8000, 1500)))
    assert taller.peak_bytes == wide.peak_bytes
    assert 1.8 * wide.peak_bytes < wider.peak_bytes < 2.1 * wide.peak_bytes
    assert band_work(restorer, source_of(2000, 1500, 4)).peak_bytes > 1.6 * wide.peak_bytes  # one band at a time is projected


def test_memory_counts_features_rows_and_scale(folder: Path, tmp_path: Path) -> None:
    source = source_of(400, 500, 1)
    small = band_work(Restorer(folder), source).peak_bytes
    broad = band_work(Restorer(make_bundle(tmp_path / "broad", width=64)), source).peak_bytes
    fine = band_work(Restorer(make_bundle(tmp_path / "fine", scale=4)), source).peak_bytes
    assert broad > 2 * small and fine > 2 * small


def test_the_forecast_adds_base_reader_and_writer(folder: Path, tmp_path: Path) -> None:
    restorer = Restorer(folder)
    source = source_of(300, 400)
    said = [forecast(ToyDomain(), source, restorer, tmp_path / "o.npz", PACE, base_bytes=base) for base in (0, 10**9)]
    held = ToyDomain().footprint(source, 2, True, False)
    work = band_work(restorer, source)
    assert said[0].peak_bytes == max(held.memory + max(work.peak_bytes, work.checking_bytes), held.finishing)
    assert said[1].peak_bytes - said[0].peak_bytes == 10**9
    assert said[0].output_bytes == 6 * 2 * 300 * 400 * 4
    assert (said[0].lr, said[0].sr, said[0].pixels) == ((2, 300, 400), (2, 600, 800), 240_000)


def test_the_probe_is_positive_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", texture(120, 150))
    restorer = Restorer(folder)
    (source,), _ = ToyDomain().discover([tmp_path / "a.npy"], Silent())
    before = sorted(tmp_path.iterdir())
    with ToyDomain().open(source) as scene:
        pace = measure_pace(ToyDomain(), scene, restorer)
    assert pace.probed and min(*pace.network, *pace.checking) > 0
    assert sorted(tmp_path.iterdir()) == before
    assert not nominal_pace(restorer).probed


@pytest.mark.parametrize(
    ("shape", "tile", "part"), [((700, 600), None, (100, 600)), ((30, 600), None, (30, 600)), ((300, 700), 64, (64, 64))]
)
def test_the_probe_is_computed_as_the_image_is(
    shape: tuple[int, int], tile: int | None, part: tuple[int, int], folder: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", texture(*shape))
    restorer = Restorer(folder, tile=tile)
    with ToyDomain().open(ToyDomain().discover([tmp_path / "a.npy"], Silent())[0][0]) as scene:
        window = _representative(scene, restorer, 60_000)
        probe = Part(scene, window, 1)
        assert (window.height, window.width) == part
        assert restorer.predictor.executor(*part) == restorer.predictor.executor(*shape)
        inner = Window(3, 5, 7, 11)
        place = Window(window.row + 3, window.col + 5, 7, 11)
        assert np.array_equal(probe.read(inner).pixels, scene.read(place).pixels[:1])


def test_a_probe_of_rows_is_never_lower_than_the_network_sees(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", texture(200, 2000))
    restorer = Restorer(make_bundle(tmp_path / "deep", blocks=12))
    with ToyDomain().open(ToyDomain().discover([tmp_path / "a.npy"], Silent())[0][0]) as scene:
        window = _representative(scene, restorer, 40_000)
    assert window.height == 2 * restorer.predictor.halo and 512 < window.width < 2000


def test_a_probe_of_nodata_works(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 120, 150), np.uint16))
    (source,), _ = ToyDomain().discover([tmp_path / "a.npy"], Silent())
    with ToyDomain().open(source) as scene:
        assert measure_pace(ToyDomain(), scene, Restorer(folder)).network[1] > 0


def test_disk_and_memory_of_this_process(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "there" / "yet.tif") == pytest.approx(free_bytes(tmp_path / "a"), rel=0.01)
    assert 10e6 < resident_bytes() < 100e9
