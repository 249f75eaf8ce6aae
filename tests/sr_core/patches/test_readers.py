"""Batches: by value against slices of the images, deterministic, and aligned under every symmetry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from sr_core.errors import StoreError
from sr_core.operators import make_operator
from sr_core.patches import DeviceReader, MemoryReader, PatchStore, StreamReader, whole_pairs, write_shard
from sr_core.patches.readers import Reader, commuting, dihedral
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan

OPERATORS = {s: make_operator("box", s).to_json() for s in (2, 3, 4)}
LR, HR = PatchPlan(origins="edge"), PatchPlan(grid="hr", origins="classic")


def double(x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def write(tmp_path: Path, encoding: Encoding):
    def store(*pairs, plan: PatchPlan = LR, scale: int = 2) -> PatchStore:
        for number, pair in enumerate(pairs):
            write_shard(tmp_path / f"s{number}.h5", [pair], plan, scale, encoding, OPERATORS[scale], f"{number:064x}")
        return PatchStore(tmp_path)

    return store


def test_eight_symmetries_are_a_group() -> None:
    x = torch.arange(9.0).reshape(1, 3, 3)
    images = [dihedral(x, k) for k in range(8)]
    assert len({tuple(i.flatten().tolist()) for i in images}) == 8
    assert torch.equal(images[0], x)
    found = {tuple(i.flatten().tolist()) for i in images}
    for image in images:
        assert {tuple(dihedral(image, k).flatten().tolist()) for k in range(8)} == found


def test_batches_are_slices_of_the_images(write, make_pair) -> None:
    pairs = make_pair("a"), make_pair("b", seed=2, height=40, width=90)
    store = write(*pairs)
    reader = MemoryReader(store, "train", bandwise=False)
    lr, hr = reader.batch(seeded(), 40, augment=False)
    assert (lr.shape, hr.shape, lr.dtype, hr.dtype) == ((40, 3, 33, 33), (40, 3, 66, 66), torch.float32, torch.float32)
    patches = {
        pairs[n].lr.pixels[:, r : r + 33, c : c + 33].tobytes(): pairs[n].hr.pixels[:, 2 * r : 2 * r + 66, 2 * c : 2 * c + 66]
        for n, r, c in store.index("train")
    }
    assert len(patches) == len(reader) == store.count("train")
    seen = set()
    for small, large in zip(lr, hr, strict=True):
        np.testing.assert_array_equal(large.numpy(), patches[small.numpy().tobytes()])
        seen.add(small.numpy().tobytes())
    assert len(seen) > 10


def test_bandwise_samples_are_single_bands_of_any_image(write, make_pair) -> None:
    reader = MemoryReader(write(make_pair("a"), make_pair("b", bands=5, seed=1)), "train", bandwise=True)
    lr, hr = reader.batch(seeded(), 64, augment=False)
    assert (lr.shape, hr.shape) == ((64, 1, 33, 33), (64, 1, 66, 66))
    torch.testing.assert_close(avg_pool2d(hr, 2), lr, atol=1e-4, rtol=0)  # the fixture degrades by block means
    means = {round(float(m), 3) for m in lr.mean(dim=(1, 2, 3))}
    assert len(means) > 8


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_augmentation_keeps_pairs_aligned(write, make_pair, scale: int) -> None:
    reader = MemoryReader(write(make_pair(scale=scale), scale=scale), "train", bandwise=False)
    plain, turned = reader.batch(seeded(), 64, augment=False), reader.batch(seeded(), 64)
    torch.testing.assert_close(avg_pool2d(turned[1], scale), turned[0], atol=1e-4, rtol=0)
    used = set()
    for before, after in zip(*([*zip(*batch, strict=True)] for batch in (plain, turned)), strict=True):
        matches = [k for k in range(8) if torch.equal(dihedral(before[0], k), after[0])]
        assert len(matches) == 1 and torch.equal(dihedral(before[1], matches[0]), after[1])
        used.add(matches[0])
    assert used == set(range(8))


def test_hr_grid_cuts_both_from_images_of_hr_size(write, make_pair) -> None:
    pair = make_pair(height=30, width=41)
    store = write(pair, plan=HR)
    reader = MemoryReader(store, "train", bandwise=False, upscale=double)
    up = pair.lr.pixels.repeat(2, 1).repeat(2, 2)
    expected = {up[:, r : r + 33, c : c + 33].tobytes(): pair.hr.pixels[:, r : r + 33, c : c + 33] for _, r, c in store.index("train")}
    assert store.index("train")[:, 1:].tolist() == [[r, c] for r in (0, 14) for c in (0, 14, 28, 42)]
    lr, hr = reader.batch(seeded(), 50, augment=False)
    assert lr.shape == hr.shape == (50, 3, 33, 33)
    for small, large in zip(lr, hr, strict=True):
        np.testing.assert_array_equal(large.numpy(), expected[small.numpy().tobytes()])
    seen = {small.numpy().tobytes() for small in lr}
    assert seen == set(expected)


def test_hr_grid_needs_the_interpolation(write, make_pair) -> None:
    with pytest.raises(StoreError, match=r"Pass upscale=operator\.upscale"):
        MemoryReader(write(make_pair(), plan=HR), "train", bandwise=False)


def test_hr_grid_origins_shift_by_one_is_seen(write, make_pair) -> None:
    """Planted fault: a label one pixel off no longer agrees with its upscaled input."""
    reader = MemoryReader(write(make_pair(height=30, width=41), plan=HR), "train", bandwise=False, upscale=double)
    lr, hr = reader.batch(seeded(), 50, augment=False)
    right, wrong = float((lr - hr).square().mean()), float((lr - hr.roll(1, -1)).square().mean())
    assert right < 0.5 * wrong


def test_the_same_state_gives_the_same_batches(write, make_pair) -> None:
    store = write(make_pair("a"), make_pair("b", seed=2))
    one, two = MemoryReader(store, "train", True), MemoryReader(PatchStore(store.folder), "train", True)
    first, second = seeded(), seeded()
    for _ in range(3):
        for a, b in zip(one.batch(first, 8), two.batch(second, 8), strict=True):
            assert torch.equal(a, b)
    state = first.get_state()
    wanted = one.batch(first, 8)
    first.set_state(state)
    again = one.batch(first, 8)
    assert torch.equal(wanted[0], again[0]) and torch.equal(wanted[1], again[1])
    assert not torch.equal(one.batch(first, 8)[0], wanted[0])


def test_the_generator_moves_alike_whatever_is_asked(write, make_pair) -> None:
    store = write(make_pair())
    states = []
    for bandwise in (True, False):
        for augment in (True, False):
            generator = seeded()
            MemoryReader(store, "train", bandwise).batch(generator, 8, augment)
            states.append(generator.get_state())
    assert all(torch.equal(states[0], state) for state in states)


def test_no_batch_holds_a_masked_pixel(write, make_pair) -> None:
    pair = make_pair(hole=(40, 50))
    pair.lr.pixels[:, 40, 50] = pair.hr.pixels[:, 80:82, 100:102] = 1.5  # outside all the waves
    reader = MemoryReader(write(pair), "train", bandwise=False)
    lr, hr = reader.batch(seeded(), 200)
    assert lr.max() < 1.4 and hr.max() < 1.4


def test_normalisation_is_that_of_usable_lr_pixels(write, make_pair) -> None:
    pairs = make_pair("a", hole=(3, 3)), make_pair("b", seed=4, height=40)
    pairs[0].lr.pixels[:, 3, 3] = 1.5
    values = np.concatenate([p.lr.pixels[:, p.lr.mask].ravel().astype(np.float64) for p in pairs])
    reader = MemoryReader(write(*pairs), "train", bandwise=True)
    assert reader.normalisation() == pytest.approx((values.mean(), values.std()), rel=1e-9)
    usable = np.concatenate([p.hr.pixels[:, p.hr.mask].ravel() for p in pairs])
    assert reader.data_range() == pytest.approx(float(usable.max()) - float(usable.min()), rel=1e-12)


def test_normalisation_on_the_hr_grid_is_of_measured_pixels(write, make_pair) -> None:
    pair = make_pair()
    reader = MemoryReader(write(pair, plan=HR), "train", bandwise=True, upscale=lambda x: double(x) + 100)
    assert reader.normalisation()[0] == pytest.approx(pair.lr.pixels.mean(dtype=np.float64), rel=1e-9)


def test_flat_images_are_refused(write, make_pair) -> None:
    pair = make_pair()
    pair.lr.pixels[:] = 0.25
    with pytest.raises(StoreError, match=r"all 0\.25"):
        MemoryReader(write(pair), "train", bandwise=True).normalisation()


def test_an_empty_index_is_refused(write, make_pair) -> None:
    store = write(make_pair(height=40, width=40, hole=(20, 20)))
    assert store.count("train") == 0
    with pytest.raises(StoreError, match=r"no train patch in .*prepare again"):
        MemoryReader(store, "train", bandwise=True)


def test_joint_bands_must_agree(write, make_pair) -> None:
    store = write(make_pair("a"), make_pair("b", bands=2, seed=1))
    with pytest.raises(StoreError, match=r"2 shapes.*network\.bands=band-wise"):
        MemoryReader(store, "train", bandwise=False)


def test_whole_pictures(write, make_pair) -> None:
    pairs = make_pair("a", height=20, width=26), make_pair("b", height=20, width=26, seed=1)
    store = write(*pairs, plan=PatchPlan(origins="whole"))
    reader = MemoryReader(store, "train", bandwise=False)
    assert len(reader) == 2
    lr, hr = reader.batch(seeded(), 32)
    assert (lr.shape, hr.shape) == ((32, 3, 20, 26), (32, 3, 40, 52))
    torch.testing.assert_close(avg_pool2d(hr, 2), lr, atol=1e-4, rtol=0)
    assert len({x.numpy().tobytes() for x in lr}) == 8  # two pictures, four symmetries that keep a rectangle's shape


def test_whole_pictures_of_two_sizes_are_refused(write, make_pair) -> None:
    store = write(make_pair("a"), make_pair("b", height=61), plan=PatchPlan(origins="whole"))
    with pytest.raises(StoreError, match="one size where pictures are taken whole"):
        MemoryReader(store, "train", bandwise=True)


def test_whole_pairs_are_the_images(tmp_path: Path, make_pair, encoding: Encoding) -> None:
    pair = make_pair("v", "val", height=20, width=25, hole=(2, 3))
    write_shard(tmp_path / "s.h5", [make_pair(), pair], LR, 2, encoding, "{}", "ab" * 32)
    ((lr, hr, mask_lr, mask_hr),) = whole_pairs(PatchStore(tmp_path), "val")
    np.testing.assert_array_equal(lr.numpy(), pair.lr.pixels)
    np.testing.assert_array_equal(hr.numpy(), pair.hr.pixels)
    assert (mask_lr.dtype, mask_hr.dtype) == (torch.bool, torch.bool)
    assert not mask_lr[2, 3] and int((~mask_lr).sum()) == 1 and int((~mask_hr).sum()) == 4
    assert lr.dtype == hr.dtype == torch.float32


def test_t91_counts_hold_for_a_real_store(tmp_path: Path, shared_data: Path) -> None:
    from PIL import Image

    from sr_core.patches import PairImage, pair_count
    from sr_core.raster import Raster

    encoding, expected, pairs = Encoding("uint8"), 0, []
    for path in sorted((shared_data / "sr_train" / "T91").glob("*.[pb][nm][gp]"))[:6]:
        rgb = np.asarray(Image.open(path).convert("RGB"), np.float32).transpose(2, 0, 1)
        height, width = (n // 3 * 3 for n in rgb.shape[1:])
        hr = rgb[:, :height, :width]
        lr = encoding.decode(encoding.encode(hr.reshape(3, height // 3, 3, width // 3, 3).mean(axis=(2, 4))))
        images = (Raster(x, np.ones(x.shape[1:], bool), ("R", "G", "B"), "grey level", (0.0, 255.0)) for x in (lr, hr))
        pairs.append(PairImage(path.stem, "train", *images))
        expected += pair_count(height, width, 33, 14, "classic")
    assert pairs and expected
    info = write_shard(tmp_path / "t91.h5", pairs, HR, 3, encoding, "{}", "ab" * 32)
    store = PatchStore(tmp_path)
    assert info.train_pairs == store.count("train") == expected
    upscale = lambda x: x.repeat_interleave(3, -1).repeat_interleave(3, -2)  # noqa: E731
    assert store.export(tmp_path / "out.hdf5", "train", upscale) == expected


def test_symmetries_of_a_degradation_by_band() -> None:
    alike = make_operator("mtf", 2, value=[0.3, 0.2])
    turned = make_operator("mtf", 2, value=[[0.3, 0.2], [0.3, 0.25]])  # the second band differs along its axes
    lopsided = make_operator("taps", 2, taps=[[0.5, 0.5], [0.6, 0.4]])
    assert [len(commuting(one.to_json())) for one in (alike, turned, lopsided)] == [8, 4, 2]


@pytest.mark.parametrize("reader_class", [MemoryReader, DeviceReader, StreamReader])
def test_next_bands_are_those_of_the_next_batch(write, make_pair, reader_class: type[Reader]) -> None:
    pair = make_pair("a")
    reader, generator = reader_class(write(pair), "train", bandwise=True), seeded()
    bands = reader.next_bands(generator, 30) % 3
    lr, _ = reader.batch(generator, 30, augment=False)
    values = [set(band.ravel().tolist()) for band in pair.lr.pixels]
    assert all(set(patch.ravel().tolist()) <= values[band] for patch, band in zip(lr, bands.tolist(), strict=True))
    assert set(bands.tolist()) == {0, 1, 2}
