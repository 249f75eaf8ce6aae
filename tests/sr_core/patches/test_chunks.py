"""Whole chunks past HDF5: what HDF5 then reads is what was given, also at ragged edges and in pieces."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sr_core.patches.atomic import growing
from sr_core.patches.chunks import ChunkWriter, MaskWriter, create_laid_out, create_mask

SHAPES = [(1, 1, 1), (2, 128, 128), (3, 300, 257), (1, 40, 999), (2, 513, 64), (1, 600, 5000)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [128, 256])
def test_an_image_reads_back_and_its_padding_is_zero(tmp_path: Path, shape: tuple[int, int, int], rows: int) -> None:
    image = np.random.default_rng(0).integers(1, 60_000, shape).astype(np.uint16)
    with growing(tmp_path / "a.h5") as made:
        first = ChunkWriter(create_laid_out(made.file, "first", shape, image.dtype), made.write_at)
        second = ChunkWriter(create_laid_out(made.file, "second", shape, image.dtype), made.write_at)
        for row in range(0, shape[1], rows):
            first.write(image[:, row : row + rows])
            second.write(image[:, row : row + rows][:, :, ::-1])
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["first"][...], image)
        np.testing.assert_array_equal(file["second"][...], image[:, :, ::-1])
        kept = np.zeros(np.ceil(np.divide(shape, file["first"].chunks)).astype(int) * file["first"].chunks, np.uint16)
        for offset in np.ndindex(*np.ceil(np.divide(shape, file["first"].chunks)).astype(int)):
            start = tuple(int(n) for n in np.multiply(offset, file["first"].chunks))
            _, raw = file["first"].id.read_direct_chunk(start)
            there = tuple(slice(s, s + c) for s, c in zip(start, file["first"].chunks, strict=True))
            kept[there] = np.frombuffer(raw, np.uint16).reshape(file["first"].chunks)
        assert kept.sum(dtype=np.int64) == image.sum(dtype=np.int64)


@pytest.mark.parametrize("shape", [(1, 1), (128, 128), (300, 257), (40, 999)])
@pytest.mark.parametrize("holes", ["none", "one", "all"])
def test_a_mask_reads_back(tmp_path: Path, shape: tuple[int, int], holes: str) -> None:
    mask = np.full(shape, holes != "all")
    if holes == "one":
        mask[-1, -1] = False
    with growing(tmp_path / "a.h5") as made:
        writer = MaskWriter(create_mask(made.file, "mask", shape))
        for row in range(0, shape[0], 128):
            writer.write(mask[row : row + 128])
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["mask"][...], mask)
