"""Three readers, one sequence of batches: bit equality, saved states, few open files, asymmetric operators."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sr_core.errors import OperatorError, StoreError
from sr_core.operators import make_operator
from sr_core.patches import PairImage, PatchStore, write_shard
from sr_core.patches.readers import DeviceReader, MemoryReader, Reader, StreamReader, commuting, dihedral
from sr_core.patches.readers_memory import _sources
from sr_core.patches.readers_stream import _window, decoded, reach
from sr_core.raster import Encoding
from sr_core.recipe import PatchPlan

LR, HR, WHOLE = PatchPlan(), PatchPlan(grid="hr", origins="classic"), PatchPlan(origins="whole")
KINDS: tuple[type[Reader], ...] = (MemoryReader, DeviceReader, StreamReader)


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def write(tmp_path: Path, encoding: Encoding):
    def store(*pairs: PairImage, plan: PatchPlan = LR, scale: int = 2, kind: str = "bicubic", encodings=(), folder: str = "store"):
        (tmp_path / folder).mkdir(exist_ok=True)
        text = make_operator(kind, scale).to_json()
        for number, pair in enumerate(pairs):
            stored = encodings[number] if encodings else encoding
            write_shard(tmp_path / folder / f"s{number}.h5", [pair], plan, scale, stored, text, f"{number:064x}")
        return PatchStore(tmp_path / folder)

    return store


def same(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(a, b) and a.dtype == b.dtype == torch.float32 for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("bandwise", [False, True])
@pytest.mark.parametrize(
    ("plan", "scale", "kind"),
    [(LR, 2, "bicubic"), (LR, 3, "box"), (HR, 2, "bicubic"), (HR, 3, "bicubic"), (HR, 4, "bilinear"), (WHOLE, 2, "bicubic")],
)
def test_all_readers_give_the_same_batches(write, make_pair, plan: PatchPlan, scale: int, kind: str, bandwise: bool, augment: bool) -> None:
    sides = [(52, 66)] * 3 if plan.origins == "whole" else [(150, 140), (40, 47), (52, 150)]
    pairs = [make_pair(f"p{i}", height=h, width=w, scale=scale, seed=i) for i, (h, w) in enumerate(sides)]
    store, upscale = write(*pairs, plan=plan, scale=scale, kind=kind), make_operator(kind, scale).upscale
    readers = [reader(store, "train", bandwise, upscale=upscale) for reader in KINDS]
    generators = [seeded() for _ in KINDS]
    for _ in range(4):
        first, *others = [reader.batch(generator, 16, augment) for reader, generator in zip(readers, generators, strict=True)]
        assert all(same(first, other) for other in others)
    assert all(torch.equal(generators[0].get_state(), g.get_state()) for g in generators)
    figures = {(len(r), *r.normalisation(), r.data_range()) for r in readers}
    assert len(figures) == 1


def test_sources_in_two_encodings_agree(write, make_pair) -> None:
    encodings = Encoding("uint8", 1 / 255), Encoding("int16", 1e-4, -0.1), Encoding.of("float32")
    pairs = [make_pair(str(i), encoding=e, seed=i, bands=1 + i, hole=(5, 6)) for i, e in enumerate(encodings)]
    for i, pair in enumerate(pairs):  # the store asks for one range and unit in a source only
        assert pair.lr.pixels.shape[0] == 1 + i
    readers = [kind(write(*pairs, encodings=encodings), "train", True) for kind in KINDS]
    first, *others = [reader.batch(seeded(), 40) for reader in readers]
    assert all(same(first, other) for other in others)
    assert len({reader.normalisation() for reader in readers}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_state_continues_the_sequence(write, make_pair, kind: type[Reader], tmp_path: Path) -> None:
    store = write(make_pair("a"), make_pair("b", seed=1))
    reader, generator = kind(store, "train", True), seeded()
    reader.batch(generator, 8)
    torch.save(generator.get_state(), tmp_path / "state.pt")
    wanted = [reader.batch(generator, 8) for _ in range(3)]
    other, again = kind(PatchStore(store.folder), "train", True), torch.Generator()
    again.set_state(torch.load(tmp_path / "state.pt"))
    assert all(same(batch, other.batch(again, 8)) for batch in wanted)
    assert not same(wanted[0], wanted[1])


def test_gathering_follows_dihedral() -> None:
    for rows, cols, turns in ((5, 5, range(8)), (4, 7, (0, 2, 4, 6))):
        x = torch.arange(rows * cols).reshape(rows, cols)
        down, across = _sources(torch.tensor(list(turns)), rows, cols)
        for i, turn in enumerate(turns):
            assert torch.equal(x[down[i], across[i]], dihedral(x, turn))


@given(st.integers(1, 80), st.integers(0, 300), st.integers(1, 300), st.integers(2, 8), st.integers(0, 6))
@settings(derandomize=True, max_examples=300)
def test_a_window_holds_all_that_a_run_of_hr_pixels_needs(side: int, at: int, extra: int, scale: int, halo: int) -> None:
    whole = -(-(at + side + extra) // scale)
    start, length = _window(at, side, whole, scale, halo)
    assert start >= 0 and start + length <= whole
    assert start <= max(0, at // scale - halo) and start + length >= min(whole, -(-(at + side) // scale) + halo)
    assert length <= (side - 1) // scale + 2 + 2 * halo  # bounded, whatever the image


def test_the_reach_of_an_interpolation_is_found() -> None:
    assert reach(lambda x: x.repeat_interleave(2, -1).repeat_interleave(2, -2), 2) == 1
    assert [reach(make_operator("bicubic", s).upscale, s) for s in (2, 3, 4, 8)] == [3, 3, 3, 3]
    far = lambda x: torch.fft.ifft2(torch.fft.fft2(x) ** 1).real.repeat_interleave(2, -1).repeat_interleave(2, -2) + x.sum()  # noqa: E731
    with pytest.raises(StoreError, match="Use MemoryReader"):
        reach(far, 2)


def test_a_halo_that_is_too_short_is_seen(write, make_pair) -> None:
    """Planted fault: with one pixel less around the windows, batches differ from those of whole images."""
    upscale = make_operator("bicubic", 2).upscale
    store = write(make_pair(height=120, width=120), plan=HR)
    right, wrong = (StreamReader(store, "train", False, upscale=upscale) for _ in range(2))
    wrong._halo = 0
    whole = MemoryReader(store, "train", False, upscale=upscale).batch(seeded(), 32)
    assert same(whole, right.batch(seeded(), 32)) and not same(whole, wrong.batch(seeded(), 32))


def test_few_files_stay_open(write, make_pair) -> None:
    store = write(*[make_pair(str(i), height=40, width=40, seed=i) for i in range(7)])
    reader = StreamReader(store, "train", True, files=3)
    assert reader.files.opened == 0  # nothing is opened before it is needed
    wanted = MemoryReader(store, "train", True).batch(seeded(), 64)
    assert same(reader.batch(seeded(), 64), wanted)
    assert reader.files.opened == 3
    reader.close()
    assert reader.files.opened == 0
    assert same(reader.batch(seeded(), 64), wanted)


def test_only_slices_reach_the_files(write, make_pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every read is one rectangle no larger than a patch with its halo: no fancy index, and nothing the size of an image."""
    store = write(make_pair(height=200, width=220), plan=HR)
    asked = []
    read = h5py.Dataset.__getitem__
    reader = StreamReader(store, "train", True, upscale=make_operator("bicubic", 2).upscale)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, at: asked.append(at) or read(self, at))
    reader.batch(seeded(), 16)
    assert len(asked) == 32
    for window in asked:
        assert all(isinstance(part, slice) and part.step is None for part in window)
        assert np.prod([part.stop - part.start for part in window]) <= 33 * 33


def test_pairs_by_number(write, make_pair) -> None:
    pairs = make_pair("a"), make_pair("b", bands=1, seed=1)
    store = write(*pairs)
    reader = StreamReader(store, "train", True)
    for number, (image, row, col) in enumerate(store.index("train")):
        lr, hr = reader.pair(number)
        assert reader.origin_of(number) == (image, row, col)
        np.testing.assert_array_equal(lr.numpy(), pairs[image].lr.pixels[:, row : row + 33, col : col + 33])
        np.testing.assert_array_equal(hr.numpy(), pairs[image].hr.pixels[:, 2 * row : 2 * row + 66, 2 * col : 2 * col + 66])


def test_a_replaced_lost_or_damaged_shard_is_named(write, make_pair) -> None:
    store = write(make_pair())
    path = store.folder / "s0.h5"
    reader, whole = StreamReader(store, "train", True), path.read_bytes()
    write(make_pair(seed=5))
    with pytest.raises(StoreError, match=r"s0\.h5 was replaced.*Open the store again"):
        reader.batch(seeded(), 2)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"s0\.h5 cannot be read .*prepare again"):
        reader.batch(seeded(), 2)
    path.unlink()
    with pytest.raises(StoreError, match=r"s0\.h5 is not there"):
        reader.batch(seeded(), 2)
    path.write_bytes(whole)
    reader.batch(seeded(), 2)


def test_symmetries_of_real_operators() -> None:
    every = tuple(range(8))
    assert commuting(make_operator("bicubic", 3).to_json()) == every
    assert commuting(make_operator("gaussian", 3, sigma=1.6, taps=7).to_json(), make_operator("bicubic", 3).upscale) == every
    assert commuting(make_operator("box", (1, 2)).to_json()) == (0, 2, 4, 6)  # one axis only: quarter turns make another operator
    skewed = lambda x: (2 * x + x.roll(1, -1)).repeat_interleave(2, -1).repeat_interleave(2, -2)  # noqa: E731
    assert commuting(make_operator("box", 2).to_json(), skewed) == (0, 6)  # rows may be mirrored, columns not
    assert commuting(make_operator("nearest", 2).to_json()) == (0, 7)  # keeps one corner of each block, and so one diagonal
    with pytest.raises(OperatorError):
        commuting("{}")


def test_an_interpolation_over_the_whole_image_is_not_streamed(write, make_pair) -> None:
    upscale = make_operator("kspace", 2).upscale
    store = write(make_pair(), plan=HR, kind="kspace")
    with pytest.raises(StoreError, match=r"reaches over .* Use MemoryReader"):
        StreamReader(store, "train", True, upscale=upscale)
    whole = MemoryReader(store, "train", True, upscale=upscale)
    assert same(whole.batch(seeded(), 16), DeviceReader(store, "train", True, upscale=upscale).batch(seeded(), 16))


def test_pairs_of_a_skewed_operator_stay_true(write, make_pair) -> None:
    """Nearest at an even scale keeps a corner of each block: whatever is drawn, LR is that corner of HR."""
    operator = make_operator("nearest", 2)
    pair = make_pair(height=60, width=60)
    lr = operator.apply(torch.from_numpy(pair.hr.pixels)).numpy()
    pair.lr.pixels[:] = lr
    reader = MemoryReader(write(pair, kind="nearest"), "train", False)
    small, large = reader.batch(seeded(), 64)
    assert torch.equal(operator.apply(large), small)
    plain = reader.batch(seeded(), 64, augment=False)
    assert not same((small, large), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_without_symmetry_is_never_turned(write, make_pair, kind: type[Reader]) -> None:
    store = write(make_pair(height=60, width=60), plan=HR)
    shifted = lambda x: (2 * x + x.roll((1, 2), (-1, -2)) + x.roll(3, -1)).repeat_interleave(2, -1).repeat_interleave(2, -2)  # noqa: E731
    reader = kind(store, "train", True, upscale=shifted)
    assert reader.symmetries == (0,)
    assert same(reader.batch(seeded(), 16, augment=True), reader.batch(seeded(), 16, augment=False))


def test_a_subgroup_is_used_evenly(write, make_pair) -> None:
    store = write(make_pair(height=60, width=60), plan=HR)
    mirrored = lambda x: (2 * x + x.roll(1, -1)).repeat_interleave(2, -1).repeat_interleave(2, -2)  # noqa: E731
    reader = MemoryReader(store, "train", False, upscale=mirrored)
    plain, turned = reader.batch(seeded(), 64, augment=False)[1], reader.batch(seeded(), 64)[1]
    used = [next(k for k in range(8) if torch.equal(dihedral(a, k), b)) for a, b in zip(plain, turned, strict=True)]
    assert set(used) == {0, 6} and 20 < used.count(6) < 44


def test_a_pickled_reader_opens_its_own_files(write, make_pair) -> None:
    reader = StreamReader(write(make_pair(), plan=HR), "train", True, upscale=make_operator("bicubic", 2).upscale)
    wanted = reader.batch(seeded(), 8)
    other = pickle.loads(pickle.dumps(reader))
    assert (reader.files.opened, other.files.opened) == (1, 0)
    assert same(other.batch(seeded(), 8), wanted)


@pytest.mark.parametrize(
    "encoding", [Encoding("uint8", 1 / 255), Encoding("uint16", 1e-4, -0.1), Encoding("int16", 0.5, 3), Encoding("int8")]
)
def test_decoding_by_table_is_decoding(encoding: Encoding) -> None:
    info = np.iinfo(encoding.dtype)
    stored = np.arange(info.min, info.max + 1).astype(encoding.dtype)[::-1]
    np.testing.assert_array_equal(decoded(stored, encoding), encoding.decode(stored))
    wide = np.array([1, 70_000], np.int32)
    np.testing.assert_array_equal(decoded(wide, Encoding("int32", 0.1)), Encoding("int32", 0.1).decode(wide))
