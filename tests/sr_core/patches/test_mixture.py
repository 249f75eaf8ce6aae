"""Batches of several stores: how much of each, in whose unit, always the same for the same generator."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from sr_core.errors import StoreError
from sr_core.operators import make_operator
from sr_core.patches import MemoryReader, Mixture, Part, PatchStore, write_shard
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan

LR, HR = PatchPlan(), PatchPlan(grid="hr", origins="classic")


@pytest.fixture
def reader(tmp_path: Path, make_pair, encoding: Encoding):
    def make(seed: int, bands: int = 3, plan: PatchPlan = LR, scale: int = 2, bandwise: bool = True) -> MemoryReader:
        folder = tmp_path / f"{seed}-{bands}-{plan.grid}-{scale}-{plan.size}"
        folder.mkdir()
        operator = make_operator("box", scale)
        write_shard(folder / "a.h5", [make_pair(seed=seed, bands=bands, scale=scale)], plan, scale, encoding, operator.to_json(), "0" * 64)
        return MemoryReader(PatchStore(folder), "train", bandwise, upscale=operator.upscale)

    return make


def seeded(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("share", "size", "others"), [(0.5, 16, 8), (0.5, 5, 2), (0.3, 16, 5), (0.9, 2, 1), (0.0, 4, 0), (0.5, 1, 0)])
def test_each_part_has_its_share_and_own_at_least_one(reader, share: float, size: int, others: int) -> None:
    own, other = reader(1), reader(2)
    mixture = Mixture(own, [Part(other, share, gain=0.0, offset=-7.0)])
    y, x = mixture.batch(seeded(), size)
    assert (y.shape, x.shape) == ((size, 1, 33, 33), (size, 1, 66, 66))
    assert int((y == -7.0).flatten(1).all(dim=1).sum()) == others
    assert bool((x[size - others :] == -7.0).all())


def test_own_pairs_are_those_of_the_reader_alone(reader) -> None:
    own, other = reader(1), reader(2)
    y, x = Mixture(own, [Part(other, 0.5)]).batch(seeded(), 8)
    alone = own.batch(seeded(), 4)
    assert torch.equal(y[:4], alone[0]) and torch.equal(x[:4], alone[1])


def test_gain_and_offset_keep_pairs_pairs(reader) -> None:
    own, other = reader(1), reader(2)
    y, x = Mixture(own, [Part(other, 0.5, gain=3.0, offset=2.0)]).batch(seeded(), 8)
    assert torch.allclose(torch.nn.functional.avg_pool2d(x[4:], 2), y[4:], atol=2e-3)
    assert float(y[4:].mean()) > 2.0 > float(y[:4].mean())


def test_the_same_generator_gives_the_same_batch_and_goes_on(reader) -> None:
    mixture = Mixture(reader(1), [Part(reader(2), 0.25), Part(reader(3), 0.25)])
    first, second = seeded(), seeded()
    mixture.batch(first, 8)
    mixture.batch(second, 8)
    assert torch.equal(mixture.batch(first, 8)[0], mixture.batch(second, 8)[0])


def test_scales_stand_in_one_batch_on_the_hr_grid(reader) -> None:
    parts = [Part(reader(1, plan=HR, scale=scale), 1 / 3) for scale in (3, 4)]
    y, x = Mixture(reader(1, plan=HR), parts).batch(seeded(), 9)
    assert y.shape == x.shape == (9, 1, 33, 33)


def test_what_cannot_stand_in_one_batch_is_refused(reader) -> None:
    with pytest.raises(StoreError, match="patches of one size"):
        Mixture(reader(1), [Part(reader(2, plan=HR), 0.5)])
    with pytest.raises(StoreError, match="below 1"):
        Mixture(reader(3), [Part(reader(4), 1.0)])
    with pytest.raises(StoreError, match="patches of 2 bands beside patches of 3"):
        Mixture(reader(5, bandwise=False), [Part(reader(6, bands=2, bandwise=False), 0.5)])


@pytest.mark.parametrize("cuts", [(0, 4, 8), (0, 1, 7, 8), (0, 3, 5, 8)])
def test_parts_of_a_batch_are_the_batch(reader, cuts: tuple[int, ...]) -> None:
    mixture = Mixture(reader(1), [Part(reader(2), 0.3, gain=2.0), Part(reader(3), 0.3, offset=1.0)])
    after = seeded()
    whole = mixture.batch(after, 8)
    parts = []
    for start, stop in itertools.pairwise(cuts):
        generator = seeded()
        parts.append(mixture.batch(generator, 8, part=slice(start, stop)))
        assert torch.equal(generator.get_state(), after.get_state()), "every process goes on alike"
    assert all(torch.equal(torch.cat([part[n] for part in parts]), whole[n]) for n in (0, 1))
