"""Real files through the readers of their domains: what would be written explains the measurement, to a share of the file's own step."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion

from sr_core.domain import ByBandName, Domain
from sr_core.errors import RecipeError
from sr_core.log import Silent
from sr_core.operators import Operator
from sr_core.raster import BoolArray, Encoding, Float32Array, Raster, Window, fill_nearest
from sr_core.records import Source
from sr_core.stages.regions import Pair, degrade, enlarge_mask
from sr_core.trust.consistency import ResidualMeter, saturated_pixels

SIDE = 512  # px of the central crop
RMS = 0.15  # of the step; a file's own rounding leaves 0.12 after bicubic x2
FOLDERS = {"satellite": ["satellite"], "medical": ["medical"], "face": ["face"], "photo": ["sr_test", "sr_train"]}
CASES = [("bicubic", 2), ("bicubic", 3), ("bicubic", 4)]


def domain_of(name: str) -> Domain:
    found: Domain = importlib.import_module(f"domains.{name}.domain").DOMAIN
    return found.for_upscaling()


def central(size: int, scale: int, most: int) -> slice:
    """Give the middle of an axis, in whole LR pixels."""
    kept = min(size, most) // scale * scale
    return slice((size - kept) // 2, (size - kept) // 2 + kept)


def crop(domain: Domain, source: Source, scale: int, most: int) -> tuple[Raster, Encoding]:
    """Read the middle of an image; a series has its slices as bands."""
    rows, cols = (central(size, scale, most) for size in source.shape[1:])
    with domain.open(source) as scene:
        raster = scene.read(Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start))
        encoding = scene.encoding
    return raster, encoding


def disturbed(pair: Pair, operator: Operator, seed: int) -> torch.Tensor:
    """Give an image as a network might: interpolation, and something of its own, a tenth of each band's contrast."""
    y = torch.from_numpy(np.ascontiguousarray(fill_nearest(pair.lr.pixels, pair.lr.mask)))
    guess = operator.upscale(y)
    noise = torch.randn(guess.shape, generator=torch.Generator().manual_seed(seed))
    return guess + 0.1 * y.flatten(1).std(dim=1)[:, None, None] * noise


def written(pair: Pair, operator: Operator, seed: int) -> Float32Array:
    """Project as the library does, and give what a reader would find in the file."""
    y = torch.from_numpy(np.ascontiguousarray(fill_nearest(pair.lr.pixels, pair.lr.mask)))
    made = operator.project(disturbed(pair, operator, seed), y, pair.encoding.valid_range, pair.encoding.step).numpy()
    return pair.encoding.decode(pair.encoding.encode(made))


def left(pair: Pair, delivered: Float32Array, operator: Operator) -> ResidualMeter:
    """Measure y - A z over the LR pixels that see measured ones only, outside SATURATED."""
    mask_hr: BoolArray = enlarge_mask(pair.lr.mask, operator.scale)
    reach = 2 + -(-operator.support // min(operator.scale))
    z = torch.from_numpy(fill_nearest(delivered, mask_hr).astype(np.float64))
    y = torch.from_numpy(fill_nearest(pair.lr.pixels, pair.lr.mask).astype(np.float64))
    whole = binary_erosion(pair.lr.mask, np.ones((2 * reach + 1,) * 2, bool), border_value=1)
    meter = ResidualMeter.of(len(y))
    saturated = saturated_pixels(delivered, mask_hr, operator.scale, pair.encoding.valid_range, pair.encoding.step, reach)
    meter.update(operator.residual(z, y).numpy(), whole, saturated)
    return meter


def operators(domain: Domain, source: Source, all_of_them: bool) -> Iterator[tuple[str, Operator]]:
    """Give the degradations under which a file is tried; those of a sensor with bands of its own only where there are as many."""
    named = domain.operators()
    for kind, scale in CASES if all_of_them else CASES[:1]:
        yield f"{kind} x{scale}", named[kind](scale)
    for kind, make in named.items():
        if isinstance(make, ByBandName):
            with suppress(RecipeError):  # bands of another sensor
                yield f"{kind} x2", make.for_names(2, source.bands)
            continue
        bands = make(2).bands
        if kind.startswith("mtf") and (bands == source.shape[0] or (all_of_them and bands is None)):
            yield f"{kind} x2", make(2)


def bar(encoding: Encoding) -> float:
    """Give the largest rms residual in steps: 0.15 of what the file and float32 pixels can tell apart.

    One file of the collection has an offset of 1000 and steps of 0.0001; float32, in which all pixels are, has 0.6 steps there.
    """
    spacing = float(np.spacing(np.float32(max(map(abs, encoding.valid_range))))) / encoding.step
    return RMS if spacing <= 0.1 else RMS + 2 * spacing


def check(name: str, shared_data: Path, every: int, most: int, all_operators: bool) -> tuple[int, int]:
    """Try the images of a domain; give how many, and how many residuals counted."""
    domain = domain_of(name)
    sources, _ = domain.discover([shared_data / folder for folder in FOLDERS[name]], Silent())
    chosen = sorted(sources, key=lambda s: str(s.path))[::every]
    faults, taken = [], 0
    for source in chosen:
        for words, operator in operators(domain, source, all_operators):
            hr, encoding = crop(domain, source, operator.scale[0], most)
            pair = degrade(hr, encoding, operator)
            meter = left(pair, written(pair, operator, zlib.crc32(source.sha256.encode())), operator)
            rms = [value / encoding.step for value, count in zip(meter.band_rms, meter.count, strict=True) if count > 100]
            taken += int(meter.count.sum())
            if any(value > bar(encoding) for value in rms):
                faults.append(f"{source.path.name}, {words}: {max(rms):.3f} of a step")
    assert not faults, "; ".join(faults)
    return len(chosen), taken


@pytest.mark.parametrize(("name", "every", "images"), [("satellite", 1, 17), ("medical", 4, 2), ("face", 40, 10), ("photo", 14, 10)])
def test_written_files_explain_the_measurement(shared_data: Path, name: str, every: int, images: int) -> None:
    count, taken = check(name, shared_data, every, 128, all_operators=False)
    assert count >= images and taken > 1000 * count


@pytest.mark.long
@pytest.mark.parametrize(("name", "images"), [("satellite", 17), ("medical", 6), ("face", 397), ("photo", 138)])
def test_every_written_file_explains_the_measurement(shared_data: Path, name: str, images: int) -> None:
    count, taken = check(name, shared_data, 1, SIDE, all_operators=True)
    assert count >= images and taken > 1000 * count


def test_a_fault_of_a_tenth_of_a_pixel_is_seen(shared_data: Path) -> None:
    domain = domain_of("satellite")
    (source,), _ = domain.discover([shared_data / "satellite" / "patagonia_sentinel2_10m.tif"], Silent())
    operator = domain.operators()["mtf-sentinel2-10m"](2)
    hr, encoding = crop(domain, source, 2, 128)
    pair = degrade(hr, encoding, operator)
    good = written(pair, operator, 0)
    assert left(pair, good, operator).rms <= RMS * encoding.step
    moved = 0.9 * good + 0.1 * np.roll(good, 1, axis=2)
    assert left(pair, encoding.decode(encoding.encode(moved)), operator).rms > RMS * encoding.step
    assert left(pair, good, domain.operators()["mtf"](2)).rms > RMS * encoding.step  # one value for all bands is another sensor
