"""What does not fit the memory: strips that make it fit, or a refusal that says what would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_bundle import make_bundle

from flows import limits
from sr_core.errors import InputError
from sr_core.records import Group, Source
from sr_core.stages.footprint import band_work
from sr_core.stages.forecast import Forecast
from sr_core.stages.restore import Restorer

WIDTH = 10980


def source_of(width: int) -> Source:
    return Source(
        path=Path("a.npy"), sha256="0" * 64, size=1, group=Group(kind="place", id="a"), shape=(4, 3000, width),
        bands=("a", "b", "c", "d"), dtype="uint16", unit="reflectance",
    )  # fmt: skip


def forecast(restorer: Restorer, width: int = WIDTH) -> Forecast:
    work = band_work(restorer, source_of(width))
    return Forecast(
        lr=(4, 3000, width), sr=(4, 6000, 2 * width), pixels=4 * 3000 * width, bands=work.bands, passes=work.passes, executor=work.executor,
        seconds=1.0, cpu_seconds=1.0, probed=False, peak_bytes=work.peak_bytes, output_bytes=0, working_bytes=work.scratch_bytes,
        free_bytes=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    folder = tmp_path_factory.mktemp("wide") / "bundle"
    return Restorer(make_bundle(folder, width=128, blocks=16, linear_taps=9), "bfloat16")


def ask(place: Any, restorer: Restorer) -> Forecast:
    return forecast(restorer)


def test_rows_that_fit_stay_rows(restorer: Restorer) -> None:
    said = forecast(restorer)
    assert said.executor == "rows"
    place: Any = None
    assert limits.in_strips(place, said, said.peak_bytes, ask, restorer) == (restorer, said)


def test_rows_that_are_too_wide_pass_in_the_widest_strips_that_fit(restorer: Restorer) -> None:
    said = forecast(restorer)
    place: Any = None
    peaks = {strip: forecast(restorer.in_strips(strip)).peak_bytes for strip in (8192, 4096)}
    assert said.peak_bytes > peaks[8192] > peaks[4096]
    narrower, less = limits.in_strips(place, said, peaks[4096], ask, restorer)
    assert (narrower.predictor.strip, less.executor) == (4096, "strips")
    assert less.passes == 4 * 3 and less.working_bytes > said.working_bytes
    assert restorer.predictor.strip is None
    assert narrower.predictor.net is restorer.predictor.net


def test_what_no_strip_helps_is_refused(restorer: Restorer) -> None:
    said = forecast(restorer)
    place: Any = type("Place", (), {"source": source_of(WIDTH)})()
    assert limits.in_strips(place, said, 1 << 20, ask, restorer) == (restorer, said)
    with pytest.raises(InputError, match="No tile fits either"):
        limits.check_memory(place, said, 1 << 20, True, ask, restorer)
