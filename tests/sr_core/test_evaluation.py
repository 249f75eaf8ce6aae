"""The record of an evaluation: gains by group, and records of before."""

from __future__ import annotations

import json
import math

import pytest
from made_evaluation import evaluation

from sr_core.evaluation import Evaluation, Method

ROWS: list[dict[Method, float]] = [{"bicubic": 30, "model": 31}, {"bicubic": 30, "model": 32}, {"bicubic": 30, "model": 30}]


def test_the_octave_gain_is_in_logarithms_and_by_group() -> None:
    octaves: list[dict[Method, float | None]] = [
        {"bicubic": 0.25, "model": 0.5}, {"bicubic": 0.25, "model": 4.0}, {"bicubic": 0.5, "model": 2.0},
    ]  # fmt: skip
    made = evaluation(ROWS, one_group=False, groups=2, octaves=octaves)
    assert made.octave_gain("bicubic") == pytest.approx({"0": (math.log(2) + 0) / 2, "1": 0})
    assert made.gain_db("bicubic") == {"0": 0.5, "1": 2.0}
    assert made.mean_octave_energy("model") == pytest.approx(6.5 / 3)


def test_what_was_not_measured_is_left_out() -> None:
    octaves: list[dict[Method, float | None]] = [{"bicubic": 0.25, "model": 0.5}, {"bicubic": None, "model": 0.5}, {}]
    made = evaluation(ROWS, one_group=False, octaves=octaves)
    assert made.octave_gain("bicubic") == pytest.approx({"0": math.log(2)})
    assert made.mean_octave_energy("model") == 0.5 and made.mean_octave_energy("champion") is None
    assert made.octave_gain("champion") == {} and evaluation(ROWS, one_group=False).octave_gain("bicubic") == {}


def test_a_record_of_before_still_reads() -> None:
    made = evaluation(ROWS, one_group=True)
    body = json.loads(made.to_json())
    for name in ("pixel_champion", "purpose", "perceptual"):
        del body[name]
    for region in body["regions"]:
        for method in region["methods"]:
            del method["octave_energy"]
    assert Evaluation.from_json(json.dumps(body), "evaluation.json") == made
