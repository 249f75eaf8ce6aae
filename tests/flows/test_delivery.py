from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import Sentences, ToyDomain, ToyWriter, run_stages, texture

from flows.delivery import deliver, output_name
from sr_core.log import Silent
from sr_core.raster import Window
from sr_core.records import Group, Source
from sr_core.stages import bands


def source(path: Path) -> Source:
    return Source(
        path=path, sha256="0" * 64, size=1, group=Group(kind="place", id="a"), shape=(1, 8, 8), bands=("a",), dtype="uint8", unit="DN"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scene.tif", "scene_x2.tif"),
        ("S2.v1.TIFF", "S2.v1_x2.TIFF"),
        ("a.jp2", "a_x2.tif"),
        ("p.jpg", "p_x2.jpg"),
        ("no_suffix", "no_suffix_x2.tif"),
    ],
)
def test_output_keeps_the_formats_that_are_written_as_read(name: str, expected: str, tmp_path: Path) -> None:
    assert output_name(source(tmp_path / name), 2) == expected


def test_a_series_becomes_a_folder(tmp_path: Path) -> None:
    (tmp_path / "ct.1.2").mkdir()
    assert output_name(source(tmp_path / "ct.1.2"), 3) == "ct.1.2_x3"
    (tmp_path / "S2A.SAFE").mkdir()
    assert output_name(source(tmp_path / "S2A.SAFE"), 2) == "S2A_x2.tif"


def test_a_stopped_delivery_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_stages(tmp_path / "run", Silent())
    np.save(tmp_path / "lr.npy", texture(100, 90))
    (image,), _ = ToyDomain().discover([tmp_path / "lr.npy"], Silent())
    monkeypatch.setattr(bands, "ROWS", (32, 32))
    monkeypatch.setattr(bands, "WHOLE", 0)
    settings = {"workspace": run.workspace}
    honest = ToyWriter.write

    def stopping(self: ToyWriter, window: Window, *args: Any) -> None:
        if window.row == 128:
            raise KeyboardInterrupt
        honest(self, window, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ToyWriter, "write", stopping)
        deliver(ToyDomain(), image, run.calibrated.path, run.calibrated.hash, log=Silent(), **settings)
    log = Sentences()
    made = deliver(ToyDomain(), image, run.calibrated.path, run.calibrated.hash, log=log, **settings)
    assert "upscale: 64 of 100 rows of lr.npy were there already; going on" in log.said
    assert all(path.is_file() for path in made.files) and not list((tmp_path / "run").rglob("*.resume"))
    again = deliver(ToyDomain(), image, run.calibrated.path, run.calibrated.hash, log=log, **settings)
    assert again == made and log.said[-1].startswith("upscale: reused ")
