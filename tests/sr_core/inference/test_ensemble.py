"""Self-ensemble: against the mean written out, whole and tiled, its symmetry, its cost, and degradations that lack one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sr_core.bundle import Bundle
from sr_core.errors import InputError, ShapeError
from sr_core.inference import Predictor, predictor
from sr_core.inference.ensemble import choose_ensemble
from sr_core.inference.footprint import peak_bytes, work
from sr_core.operators import make_operator
from sr_core.operators.symmetry import dihedral, inverse
from sr_core.raster import Float32Array

sys.path.insert(0, str(Path(__file__).parent))
from test_predictor import STD, ULP, _bundle, _difference, _image

ROUNDING = 4 * ULP  # eight sums in another order


def turned(image: Float32Array, symmetry: int) -> Float32Array:
    return np.ascontiguousarray(dihedral(torch.from_numpy(image), symmetry).numpy())


def restored(bundle: Bundle, y: Float32Array, ensemble: int, **options: Any) -> tuple[Float32Array, Float32Array]:
    made = Predictor(bundle, "float32", ensemble=ensemble, **options).predict(y)
    assert made.spread is not None
    return made.mean, made.spread


@contextmanager
def counted(bundle: Bundle) -> Iterator[list[int]]:
    """The LR pixels of every run of the network."""
    runs: list[int] = []
    honest = bundle.net.forward_spread

    def run(lr: torch.Tensor) -> Any:
        runs.append(lr.shape[-2] * lr.shape[-1])
        return honest(lr)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle.net, "forward_spread", run)
        yield runs


def test_every_symmetry_is_undone_by_its_inverse() -> None:
    x = torch.rand(1, 3, 4)
    assert all(torch.equal(dihedral(dihedral(x, k), inverse(k)), x) for k in range(8))


@pytest.mark.parametrize("changes", [{}, {"bandwise": False, "channels": 2}, {"family": "linear"}, {"scale": 3}])
@pytest.mark.parametrize("size", [4, 8])
def test_it_is_the_mean_of_what_is_turned_back(size: int, changes: dict[str, Any]) -> None:
    bundle, y = _bundle(**changes), _image(2, 21, 34)
    symmetries = (0, 2, 4, 6) if size == 4 else range(8)
    expected = [[turned(part, inverse(k)) for part in restored(bundle, turned(y, k), 1)] for k in symmetries]
    for number, part in enumerate(restored(bundle, y, size)):
        mean = np.mean([made[number].astype(np.float64) for made in expected], axis=0)
        assert np.abs(part - mean).max() <= ROUNDING
    assert _difference(restored(bundle, y, 4)[0], restored(bundle, y, 1)[0]) > 1e-2  # it is not what one run gives


@pytest.mark.parametrize("size", [4, 8])
def test_the_result_turns_with_the_image(size: int) -> None:
    bundle, y = _bundle(), _image(1, 19, 26)
    there = restored(bundle, y, size)
    for symmetry in (2, 4, 6) if size == 4 else range(1, 8):
        for part, back in zip(restored(bundle, turned(y, symmetry), size), there, strict=True):
            assert _difference(part, turned(back, symmetry)) <= ROUNDING
    alone = restored(bundle, turned(y, 4), 1)[0]
    assert _difference(alone, turned(restored(bundle, y, 1)[0], 4)) > 1e-1  # a network alone has no symmetry
    assert _difference(restored(bundle, turned(y, 1), 4)[0], turned(restored(bundle, y, 4)[0], 1)) > 1e-1  # flips know no turns


def test_an_answer_that_is_turned_back_the_wrong_way_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "inverse", lambda symmetry: symmetry)  # planted: right for all but the quarter turns
    bundle, y = _bundle(), _image(1, 20, 20)
    assert _difference(restored(bundle, turned(y, 1), 8)[0], turned(restored(bundle, y, 8)[0], 1)) > 1


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("family", ["edsr", "srcnn", "linear"])
def test_tiled_equals_whole_in_float32(family: str, size: int) -> None:
    bundle, y = _bundle(family=family), _image(2, 61, 140)
    mean, spread = restored(bundle, y, size)
    for tile in (16, 33, 128):  # windows at the borders are no squares
        tiled = restored(bundle, y, size, tile=tile)
        assert _difference(tiled[0], mean) <= 1e-6 * STD + ULP
        assert _difference(tiled[1], spread) <= 1e-6 * STD


@pytest.mark.parametrize("changes", [{}, {"bandwise": False, "channels": 2}])
def test_tiled_equals_whole_bit_for_bit_in_bfloat16(changes: dict[str, Any]) -> None:
    bundle, y = _bundle(**changes), _image(2, 70, 83)
    whole = Predictor(bundle, "bfloat16", ensemble=8).predict(y)
    for tile in (24, 40):
        tiled = Predictor(bundle, "bfloat16", tile=tile, ensemble=8).predict(y)
        assert np.array_equal(tiled.mean, whole.mean) and np.array_equal(tiled.spread, whole.spread)


def deviating(bundle: Bundle, y: Float32Array, ensemble: int = 8, **options: Any) -> tuple[Float32Array, Float32Array]:
    made = Predictor(bundle, "float32", ensemble=ensemble, spread_from="self-ensemble", **options).predict(y)
    assert made.spread is not None
    return made.mean, made.spread


@pytest.mark.parametrize("changes", [{}, {"spread": False}, {"bandwise": False, "channels": 2}])
@pytest.mark.parametrize("size", [4, 8])
def test_the_standard_deviation_of_the_runs_is_that_written_out(size: int, changes: dict[str, Any]) -> None:
    bundle, y = _bundle(**changes), _image(2, 21, 34)
    runs = []
    for k in (0, 2, 4, 6) if size == 4 else range(8):
        runs.append(turned(Predictor(bundle, "float32").predict(turned(y, k)).mean, inverse(k)).astype(np.float64))
    mean, spread = deviating(bundle, y, size)
    assert np.abs(spread - np.std(runs, axis=0)).max() <= ROUNDING
    assert np.array_equal(mean, Predictor(bundle, "float32", ensemble=size).predict(y).mean)  # the image is the ensemble's, bit for bit


def test_the_standard_deviation_of_tiles_equals_the_whole() -> None:
    bundle, y = _bundle(), _image(2, 61, 140)
    whole, tiled = deviating(bundle, y), deviating(bundle, y, tile=33)
    assert _difference(tiled[1], whole[1]) <= 1e-6 * STD + ULP
    short = Predictor(bundle, "bfloat16", tile=24, ensemble=8, spread_from="self-ensemble").predict(y)
    long = Predictor(bundle, "bfloat16", ensemble=8, spread_from="self-ensemble").predict(y)
    assert short.spread is not None and long.spread is not None and np.array_equal(short.spread, long.spread)


def test_one_run_has_no_standard_deviation() -> None:
    with pytest.raises(InputError, match=r"one run has no standard deviation"):
        Predictor(_bundle(), spread_from="self-ensemble")
    lopsided = _bundle(operator=make_operator("nearest", 2).to_json())
    with pytest.raises(InputError, match=r"the degradation has 1 of the 4 symmetries"):
        Predictor(lopsided, ensemble=4, spread_from="self-ensemble")


def test_a_large_image_takes_tiles_since_rows_pass_once() -> None:
    bundle, y = _bundle(), _image(1, 40, 600)
    large = Predictor(bundle, "float32", ensemble=8)
    assert (large.executor(512, 512), large.executor(40, 600)) == ("whole", "tiles")
    assert _difference(large.predict(y).mean, restored(bundle, y, 8, tile=600)[0]) <= 1e-6 * STD + ULP
    with pytest.raises(ShapeError, match="rows for a self-ensemble of 8"):
        large.stream(1)
    assert Predictor(bundle, "float32", ensemble=1).executor(40, 600) == "rows"


@pytest.mark.parametrize(("size", "tile"), [(1, None), (4, None), (8, None), (8, 24)])
def test_it_costs_as_many_runs_as_it_says(size: int, tile: int | None) -> None:
    bundle, y = _bundle(), _image(3, 40, 51)
    ready = Predictor(bundle, "float32", tile=tile, ensemble=size)
    said = work(ready, 3, 40, 51)
    with counted(bundle) as runs:
        ready.predict(y)
    assert (len(runs), sum(runs), max(runs)) == (said.passes, said.pixels, said.largest)
    one = work(Predictor(bundle, "float32", tile=tile), 3, 40, 51)
    assert (said.passes, said.pixels, said.largest) == (size * one.passes, size * one.pixels, one.largest)
    sums = 0 if size == 1 else 40 * 51 * 4 * 2 * 4  # mean and spread of the runs before, float32
    assert peak_bytes(ready, 40 * 51) == pytest.approx(peak_bytes(Predictor(bundle, "float32"), 40 * 51) + sums, abs=1)


SQUARE = tuple(range(8))
FLIPS = (0, 2, 4, 6)


@pytest.mark.parametrize(
    ("operator", "of_4", "of_8", "sizes"),
    [
        (make_operator("bicubic", 2), FLIPS, SQUARE, (4, 8)),
        (make_operator("mtf", 2, value=[[0.3], [0.2]]), FLIPS, FLIPS, (4, 4)),  # rows are seen otherwise than columns: a scanner
        (make_operator("nearest", 2), (0,), (0, 7), (1, 8)),  # keeps one corner of each block, and so one diagonal
        (make_operator("taps", 2, taps=[[0.5, 0.5], [0.6, 0.4]]), (0, 6), (0, 6), (4, 4)),
    ],
)
def test_only_symmetries_of_the_degradation_are_used_and_it_says_so(
    operator: Any, of_4: tuple[int, ...], of_8: tuple[int, ...], sizes: tuple[int, int]
) -> None:
    four, eight = (choose_ensemble(size, operator.to_json()) for size in (4, 8))
    assert (four.symmetries, eight.symmetries) == (of_4, of_8)
    assert (four.size, eight.size) == sizes  # what is the same has one name, whatever was asked
    for made in (four, eight):
        times = "once" if made.runs == 1 else f"{made.runs} times"
        left_out = f"the degradation has {made.runs} of the {made.asked} symmetries of --ensemble {made.asked}: the network is run {times}"
        assert made.says() == ("" if made.runs == made.asked else left_out)


def test_a_network_over_such_a_degradation_is_run_so_often() -> None:
    bundle, y = _bundle(operator=make_operator("mtf", 2, value=[[0.3], [0.2]]).to_json()), _image(1, 20, 24)
    with counted(bundle) as runs:
        eight = restored(bundle, y, 8)[0]
    assert len(runs) == 4 and np.array_equal(eight, restored(bundle, y, 4)[0])
    with pytest.raises(InputError, match=r"a self-ensemble of 3; expected 1 \(none\), 4 \(flips\) or 8"):
        Predictor(bundle, ensemble=3)
