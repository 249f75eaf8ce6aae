"""The figures of a whole image by value, and which windows are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import ENCODING, Run, ToyDomain, texture

from sr_core.log import Silent
from sr_core.operators import operator_from
from sr_core.raster import Raster, Window
from sr_core.stages import bands
from sr_core.stages import upscale as stage
from sr_core.stages.bands import Band
from sr_core.stages.overall import CHECKED, BandNote, SeenWindow, cells, checked, chosen, note_of, overall_figures
from sr_core.stages.restore import Restorer
from sr_core.stages.upscale import upscale_path


def test_a_band_is_summed_up_over_its_valid_values() -> None:
    residual = np.zeros((2, 3, 600), np.float32)
    residual[0, 1, 5], residual[1, 2, 300], residual[0, 0, 599], residual[0, 0, 10] = -3.0, 0.75, 4.0, np.nan
    mask = np.ones((3, 600), bool)
    mask[0] = False
    nothing = np.zeros((2, 6, 1200), np.float32)
    band = Band(Window(32, 0, 3, 600), Raster(residual, mask, ("a", "b"), "DN", (0, 9)), nothing, nothing, residual)
    note = note_of(band, step=1.5)
    assert (note.values, note.squares, note.largest, note.above) == (2400, 9.5625, 3.0, 1)
    assert [w.window for w in note.windows] == [Window(32, 200 * n, 3, 200) for n in range(3)]
    assert [w.largest for w in note.windows] == [3.0, 0.75, 0.0] and note.windows[0].rms == pytest.approx(3 / 800**0.5)
    assert BandNote.from_json(note.to_json(), "x") == note
    figures = overall_figures([note, note], 7, 1.5, "DN")
    assert [(f.value, f.unit) for f in figures] == [
        (pytest.approx((9.5625 / 2400) ** 0.5 / 1.5), "steps"),
        (2.0, "steps"),
        (1 / 2400, ""),
        (7.0, "values"),
    ]
    assert [f.unit for f in overall_figures([note], 0, 0.0, "DN")] == ["DN", "DN"] and overall_figures([BandNote()], 0, 1.0, "DN") == ()


def test_an_eighth_of_an_image_is_checked_in_small_windows() -> None:
    counted = {}
    for side in (100, 256, 512, 1024, 2048, 10980):
        found = [window for row in range(0, side, 256) for window in cells(Window(row, 0, min(256, side - row), side))]
        assert sum(w.height * w.width for w in found) == side**2 and max(w.height * w.width for w in found) <= 128**2
        counted[side] = checked(len(found))
    assert counted == {100: 1, 256: 4, 512: 4, 1024: 8, 2048: 16, 10980: 16}
    assert {(w.height, w.width) for w in cells(Window(64, 0, 32, 1000))} == {(32, 250)}


def test_windows_with_the_largest_residuals_are_looked_at() -> None:
    seen = [SeenWindow(window=Window(0, 256 * i, 32, 256), rms=0.1, largest=0.2) for i in range(400)]
    seen[17] = seen[17].model_copy(update={"rms": 0.5})
    seen[333] = seen[333].model_copy(update={"largest": 9.0})
    picked = chosen([BandNote(windows=tuple(seen[:150])), BandNote(windows=tuple(seen[150:]))])
    assert len(picked) == len(set(picked)) == CHECKED and picked == sorted(picked)
    assert {seen[17].window, seen[333].window, seen[0].window, seen[350].window} <= set(picked)
    assert chosen([BandNote(windows=tuple(seen[:3])), BandNote()]) == [s.window for s in seen[:3]] and chosen([BandNote()]) == []


def test_figures_are_those_of_the_file_as_a_whole(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "ROWS", (32, 32))
    monkeypatch.setattr(bands, "WHOLE", 0)
    np.save(tmp_path / "lr.npy", texture(150, 131, seed=3))
    restorer = Restorer(run.calibrated.path)
    verdict = upscale_path(ToyDomain(), tmp_path / "lr.npy", restorer, tmp_path / "sr.npz", log=Silent()).verdict
    import torch

    y, z = (torch.from_numpy(ENCODING.decode(a)).double() for a in (np.load(tmp_path / "lr.npy"), np.load(tmp_path / "sr.npz")["sr"]))
    rest = operator_from(restorer.card.operator).residual(z, y).abs().numpy() / ENCODING.step
    told = {c.name.removeprefix("whole image: "): c.value for c in verdict.checks if c.name.startswith("whole image: ")}
    assert told == {
        "residual rms": pytest.approx(np.sqrt((rest**2).mean()), rel=1e-3),
        "residual max": pytest.approx(rest.max(), rel=1e-3),
        "residual over half a step": pytest.approx((rest > 0.5).mean(), abs=1e-6),
    }
    assert 0.05 < told["residual rms"] < 0.2  # steps: rounding alone
    limits = [c for c in verdict.checks if c.threshold is not None]
    assert f"{len(limits)} of {len(limits)} checks passed" in verdict.sentence  # figures without a limit are not counted


def test_values_cut_to_the_range_are_counted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "lr.npy", texture(60, 70))
    restorer = Restorer(run.calibrated.path)

    def beyond(*args: Any, **options: Any) -> Iterator[Band]:
        for band in bands.restore_bands(*args, **options):
            sr = band.sr.copy()
            sr[:, :3, :4] = 70.0  # 65.535 is the largest that the file holds
            sr[:, 9, 9] = -1.0
            yield replace(band, sr=sr)

    monkeypatch.setattr(stage, "restore_bands", beyond)
    done = upscale_path(ToyDomain(), tmp_path / "lr.npy", restorer, tmp_path / "sr.npz", log=Silent())
    assert {c.name: c.value for c in done.verdict.checks}["whole image: cut to the file's range"] == 26
