"""Small pictures of the test regions for the tracking page: bicubic | SR | HR side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sr_core.evaluation import Evaluation
from sr_core.panels import side_by_side

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
