"""Drift over the images of one run: images of one group count once; where nothing is known, nothing is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_bundle import make_bundle

from flows.drift import drift_of_run
from sr_core.trust.calibration import Calibration
from sr_core.trust.domain_check import fit_domain
from sr_core.trust.reference import Reference
from sr_core.trust.statistics import NAMES, Figures

COUNT = len(NAMES)


@pytest.fixture
def calibration(tmp_path: Path) -> Calibration:
    rng = np.random.default_rng(0)
    units = [{f"{part}{n}": [Figures(values=tuple(rng.normal(size=COUNT)))] for n in range(30)} for part in "vc"]
    fit = fit_domain(*units, unit_kind="place", independent=True)
    text = (make_bundle(tmp_path / "bundle") / "calibration.json").read_text()
    return Calibration.from_json(text, "").model_copy(update={"reference": Reference(images=30, groups=30, domain=fit)})


def test_shifted_batches_ask_for_recalibration(calibration: Calibration) -> None:
    rng = np.random.default_rng(1)
    clean = [(str(n), tuple(rng.normal(size=COUNT))) for n in range(8)]
    shifted = [(group, (row[0] + 4, *row[1:])) for group, row in clean]
    found = drift_of_run(calibration, shifted)
    assert found is not None and found.outcome == "abstain" and found.statistic == "raw residual" and "Recalibrate" in found.sentence
    plain = drift_of_run(calibration, clean)
    assert plain is not None and plain.outcome != "abstain" and plain.value is not None and found.value is not None
    assert plain.value < found.value


def test_images_of_one_group_count_once(calibration: Calibration) -> None:
    row = (2.0, *[0.0] * (COUNT - 1))
    many = drift_of_run(calibration, [(str(n), row) for n in range(8)])
    few = drift_of_run(calibration, [(str(n % 2), row) for n in range(8)])
    two = drift_of_run(calibration, [("0", row), ("1", row)])
    assert many is not None and few is not None and (many.units, few.units) == (8, 2)
    assert few == two and (many.value or 0.0) > 1.5 * (few.value or 0.0)


def test_where_nothing_is_known_nothing_is_said(calibration: Calibration) -> None:
    row = tuple([9.0] * COUNT)
    assert drift_of_run(None, [("a", row), ("b", row)]) is None
    assert drift_of_run(calibration.model_copy(update={"reference": None}), [("a", row), ("b", row)]) is None
    assert drift_of_run(calibration, [("a", row), ("a", row), ("b", None)]) is None
