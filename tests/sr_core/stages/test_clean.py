"""What the stages tell the checks: lines between pieces, context beyond a window, and figures of clean images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from made_bundle import make_bundle
from toy import Run, ToyDomain, texture

from sr_core.inference import predictor
from sr_core.raster import Encoding, Placed, Raster, Window
from sr_core.records import Group, Region
from sr_core.stages import bands
from sr_core.stages.bands import seams_of
from sr_core.stages.clean import CleanFigures
from sr_core.stages.evidence import Grid, evidence_of, reference_for, run_checks
from sr_core.stages.reference import Seen
from sr_core.stages.regions import degrade
from sr_core.stages.restore import Restorer
from sr_core.trust.calibration import Calibration


class Shape:
    """A scene of which only the shape is asked."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (1, height, width)


class PlacedShape(Shape):
    """One that states its place, too."""

    transform = (10.0, 0.0, 0.0, 0.0, -10.0, 0.0)


def test_seams_are_the_first_rows_and_columns_of_bands_strips_and_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(tmp_path / "bundle", unit="DN")
    whole = Restorer(bundle)
    assert seams_of(whole, Shape(300, 400)) == ((), ())
    rows, cols = seams_of(whole, Shape(700, 100))
    assert rows == (256, 512) and cols == ()
    assert seams_of(whole.in_strips(300), Shape(700, 700)) == ((256, 512), (300, 400)), "the last strip is shifted inwards"
    monkeypatch.setattr(bands, "WHOLE", 0)
    monkeypatch.setattr(bands, "ROWS", (32, 32))
    monkeypatch.setattr(predictor, "WHOLE", 0)
    tiled = Restorer(bundle, tile=48)
    rows, cols = seams_of(tiled, Shape(64, 100))
    assert cols == (48, 52) and 32 in rows and set(rows) - {32}, "bands, and tiles inside of them"


def test_a_grid_asks_those_that_know_their_place() -> None:
    assert isinstance(PlacedShape(1, 1), Placed) and not isinstance(Shape(1, 1), Placed)
    grid = Grid.of(PlacedShape(4, 4), Shape(8, 8), (1,), ())  # type: ignore[arg-type]
    assert grid == Grid((1,), (), PlacedShape.transform, None)


def measured(seed: int, side: int = 128, hole: bool = False) -> tuple[Raster, Encoding]:
    stored = texture(side, side, bands=1, seed=seed)
    mask = np.ones((side, side), bool)
    if hole:
        mask[56:64, 30:60] = False
    encoding = Encoding("uint16", 1.0, 0.0, 1, 65535)
    return Raster(stored.astype(np.float32), mask, ("a",), "DN", encoding.valid_range), encoding


def seen(restorer: Restorer, seed: int, hole: bool = False) -> Seen:
    pair = degrade(*measured(seed, hole=hole), restorer.operator)
    restored = restorer.restore(pair.lr.pixels, pair.lr.mask)
    region = Region(source="0" * 64, window=Window(0, 0, 128, 128), group=Group(kind="place", id=str(seed)))
    return Seen(region, pair, restored, pair.encoding.decode(pair.encoding.encode(restored.sr)))


def test_clean_figures_of_enough_groups_become_limits(tmp_path: Path) -> None:
    restorer = Restorer(make_bundle(tmp_path / "bundle", unit="DN"))
    few, many = CleanFigures(ToyDomain(), restorer), CleanFigures(ToyDomain(), restorer)
    for seed in range(9):
        (few if seed < 8 else many).add(seen(restorer, seed))
        if seed < 8:
            many.add(seen(restorer, seed))
    assert few.limits() is None
    limits = many.limits()
    assert limits is not None and (limits.units, limits.windows, limits.pixels, limits.quantised) == (9, 1, 64 * 64, True)
    medians = {scale.check: scale.median for scale in limits.scales}
    assert 0.6 < medians["residual rms"] < 1, "rounding leaves 0.12 of the 0.15 steps"
    assert medians["adds detail"] < 0 and medians["shift"] < 0.5 and not {"nodata kept", "finite and in range"} & set(medians)


def test_nodata_beyond_a_window_is_known_in_it(tmp_path: Path) -> None:
    restorer = Restorer(make_bundle(tmp_path / "bundle", unit="DN"))
    given = seen(restorer, 0, hole=True)
    lr = given.pair.lr
    first = int(np.flatnonzero(~lr.mask.all(axis=1))[0])
    above = Window(0, 0, first, 64)
    evidence = evidence_of(restorer, lr, given.delivered, None, 1.0, core=above)
    assert evidence.mask_lr.all() and not evidence.far_from_nodata[-1].all(), "its last row sees the hole below it"
    assert {r.outcome for r in run_checks(ToyDomain(), evidence)} <= {"pass", "skipped", "warn"}
    alone = dataclasses.replace(evidence, around=None)
    assert alone.far_from_nodata.all()


def test_a_calibration_of_one_scene_says_that_its_groups_are_too_few(run: Run) -> None:
    restorer = Restorer(run.calibrated.path)
    reference = reference_for(restorer)
    assert reference is not None and reference.limits is None and reference.groups < 9
    text = (run.calibrated.path / "calibration.json").read_text()
    assert Calibration.from_json(text, "calibration.json").reference == reference
    assert reference_for(restorer.reading_as(restorer)) is None
