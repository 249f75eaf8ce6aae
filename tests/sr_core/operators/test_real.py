"""What must hold on real images: the written file explains the measurement; noise is neither copied nor ignored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sr_core.operators import Operator, make_operator
from sr_core.operators.projection import weight
from sr_core.trust.consistency import saturated_pixels

FOLDERS = ["sr_test", "sr_train", "face", "medical", "satellite"]


def stored(path: Path) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Give the images of one file, (C, H, W), with the range of their stored type."""
    if path.suffix in (".tif", ".jp2"):
        import rasterio

        with rasterio.open(path) as dataset:
            found = [dataset.read()]
    elif path.suffix == ".dcm":
        import pydicom
        from pydicom.pixels import get_decoder

        image = pydicom.dcmread(path)
        if not get_decoder(image.file_meta.TransferSyntaxUID).is_available:
            return []  # lossless JPEG needs the optional extra `jpeg`
        pixels = image.pixel_array
        found = list(pixels[:2, None]) if pixels.ndim == 3 and pixels.shape[2] != 3 else [pixels if pixels.ndim == 3 else pixels[None]]
        found = [np.moveaxis(one, -1, 0) if one.shape[-1] == 3 else one for one in found]
    elif path.suffix in (".png", ".jpg", ".pgm"):
        from PIL import Image

        pixels = np.asarray(Image.open(path))
        found = [pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)]
    else:
        found = []
    ranges = [np.iinfo(one.dtype) for one in found]
    return [(one, (float(limits.min), float(limits.max))) for one, limits in zip(found, ranges, strict=True)]


def images(folder: Path, every: int = 1) -> Iterator[tuple[str, Tensor, tuple[float, float]]]:
    """Give name, image float32 (C, H, W) in stored numbers, and their range, of all files of a folder that are images."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".tif", ".jp2", ".dcm", ".png", ".jpg") and "formats" not in path.parts
    ]
    for path in files[::every]:
        for pixels, limits in stored(path):
            yield path.relative_to(folder).as_posix(), torch.from_numpy(pixels.astype(np.float32)), limits


def cropped(image: Tensor, scale: int) -> Tensor:
    """Cut an image to whole blocks."""
    return image[..., : image.shape[-2] // scale * scale, : image.shape[-1] // scale * scale].contiguous()


OPERATORS = [("bicubic", 2, {}), ("bicubic", 3, {}), ("bicubic", 4, {}), ("mtf", 2, {"value": 0.3})]


def left(operator: Operator, image: Tensor, limits: tuple[float, float]) -> tuple[float, float]:
    """Degrade, interpolate, project and write; give rms and largest of what is left outside SATURATED."""
    y = operator.apply(image).round().clamp(*limits)  # the file that was delivered, step 1
    guess = operator.upscale(y)
    written = operator.project(guess, y, limits, 1.0).double().round().clamp(*limits)
    residual = y.double() - operator.apply(written)
    reach = 2 + -(-operator.support // min(operator.scale))
    mask = np.ones(written.shape[-2:], bool)

    on_rails = torch.from_numpy(saturated_pixels(written.float().numpy(), mask, operator.scale, limits, 1.0, reach))
    kept = residual[~on_rails]
    return (float(kept.square().mean().sqrt()), float(kept.abs().max())) if kept.numel() > 100 else (0.0, 0.0)


def check(folder: Path, every: int) -> int:
    count = 0
    for name, image, limits in images(folder, every):
        for kind, scale, parameters in OPERATORS:
            rms, largest = left(make_operator(kind, scale, **parameters), cropped(image, scale), limits)
            assert rms <= 0.15, f"{name}: {kind} x{scale} leaves {rms:.3f} of a step"
            assert largest <= 1.0, f"{name}: {kind} x{scale} leaves {largest:.3f} of a step somewhere"
        count += 1
    return count


@pytest.mark.parametrize(("folder", "every"), [("sr_test", 2), ("satellite", 5), ("face", 80), ("medical", 30)])
def test_written_files_explain_the_measurement(shared_data: Path, folder: str, every: int) -> None:
    assert check(shared_data / folder, every) >= 3


@pytest.mark.long
@pytest.mark.parametrize(("folder", "count"), zip(FOLDERS, [5, 134, 397, 90, 11], strict=True))
def test_every_written_file_explains_the_measurement(shared_data: Path, folder: str, count: int) -> None:
    assert check(shared_data / folder, 1) >= count


NOISY = [
    "sr_test/Set5/butterfly.png",
    "sr_test/Set5/baby.png",
    "satellite/northdakota_naip_20140720.tif",
    "satellite/italy_sentinel2_20190416.tif",
]


@pytest.mark.parametrize("name", NOISY)
@pytest.mark.parametrize(("scale", "share"), [(2, 0.3), (2, 0.03), (4, 0.1), (4, 0.01)])
def test_noise_aware_projection_leaves_the_noise(shared_data: Path, name: str, scale: int, share: float) -> None:
    file = shared_data / name
    image = cropped(next(one for found, one, _ in images(file.parent) if found == file.name), scale)
    operator = make_operator("bicubic", scale)
    clean = operator.apply(image)
    deviation = clean.flatten(1).std(dim=1)[:, None, None]
    sigma = share * deviation  # of each band's contrast: noise of 30 % to 1 %
    y = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    for guess, all_of_it in ((operator.upscale(clean), True), (operator.upscale(y), False)):
        followed = weight(operator.residual(guess, y), sigma) > 0
        residual = operator.residual(operator.project(guess, y, noise=sigma), y) / sigma
        for band, acted in zip(residual, followed, strict=True):
            # An interpolation of y itself holds some of its noise already: what it holds is no residual, and nothing brings it back.
            use = torch.ones_like(acted) if all_of_it else acted
            if use.sum() > 1000:
                assert 0.8 <= float(band[use].square().mean()) <= 1.25
    whole = operator.project(operator.upscale(clean), y, noise=sigma)
    exact = operator.project(operator.upscale(clean), y)
    if share >= 0.1:  # noise that is seen: following all of it costs
        assert (whole - image).norm() < (exact - image).norm()
