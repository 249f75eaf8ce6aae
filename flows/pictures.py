"""Small pictures of the test regions for the tracking page: bicubic | SR | HR side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sr_core.evaluation import Evaluation
from sr_core.raster import Float32Array

GAP = 4  # px between the panels
MOST = 6  # pictures a run


def save_pictures(archives: Path, evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write one PNG a test region (at most six) from the evaluation's picture archives; give their paths."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for score in evaluation.regions[:MOST]:
        archive = archives / f"{score.region.name}.npz"
        if not archive.is_file():
            continue
        with np.load(archive) as images:
            panels = side_by_side([images["bicubic"], images["sr"], images["hr"]])
        path = folder / f"{score.region.name}.png"
        Image.fromarray(panels).save(path)
        made.append(path)
    return made


def side_by_side(images: list[Float32Array]) -> npt.NDArray[np.uint8]:
    """Give images (C, H, W) as one (H, W', 3) picture, all stretched alike: the last one's 1 to 99 percentiles to 0..255.

    Three bands are shown as red, green, blue: the first three of three or more in the order R, G, B where there are exactly
    three, and the third, second, first of more (satellite files begin with blue); one or two bands as grey.
    """
    shown = [_three(image) for image in images]
    finite = shown[-1][np.isfinite(shown[-1])]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    width = float(high - low) or 1.0
    gap = np.full((shown[0].shape[0], GAP, 3), 255, np.uint8)
    panels: list[npt.NDArray[np.uint8]] = []
    for image in shown:
        scaled = np.nan_to_num((image - low) / width, nan=0.0, posinf=1.0, neginf=0.0)
        panels += [(np.clip(scaled, 0, 1) * 255).round().astype(np.uint8), gap]
    return np.concatenate(panels[:-1], axis=1)


def _three(image: Float32Array) -> Float32Array:
    bands = image.shape[0]
    chosen = (0, 0, 0) if bands < 3 else (0, 1, 2) if bands == 3 else (2, 1, 0)
    return np.stack([image[band] for band in chosen], axis=-1)
