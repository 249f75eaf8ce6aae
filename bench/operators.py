"""Bicubic x4 down of 4 x 4096 x 4096 float32 against torch, Pillow and scikit-image: CPU time on one thread, alternated in one run."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable

import numpy as np
import PIL
import skimage
import torch
from PIL import Image
from skimage.transform import resize

from sr_core.operators import make_operator

ROUNDS = 5
BANDS, SIDE, SCALE = 4, 4096, 4


def main() -> None:
    """Print one JSON line: our speed as a multiple of each peer's, one projection in units of `apply`, and two threads against one."""
    torch.set_num_threads(1)
    image = torch.rand(BANDS, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    operator = make_operator("bicubic", SCALE)
    y = operator.apply(image)
    bands = image.numpy()
    pictures = [Image.fromarray(band) for band in bands]
    small = (SIDE // SCALE, SIDE // SCALE)
    peers: dict[str, Callable[[], object]] = {
        "apply": lambda: operator.apply(image),
        "interpolate": lambda: torch.nn.functional.interpolate(image[None], scale_factor=1 / SCALE, mode="bicubic", antialias=True),
        "pillow": lambda: [np.asarray(picture.resize(small, Image.Resampling.BICUBIC)) for picture in pictures],
        "project": lambda: operator.project(image, y),
    }
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(ROUNDS):
        for name, run in peers.items():
            best[name] = min(best[name], _cpu(run))
    best["skimage"] = min(_cpu(lambda: [resize(band, small, order=3, anti_aliasing=True) for band in bands]) for _ in range(2))
    alone, together = _threads(peers["apply"])
    versions = {"torch": torch.__version__, "pillow": PIL.__version__, "skimage": skimage.__version__, "python": platform.python_version()}
    print(
        json.dumps(
            {
                "apply_ratio": best["interpolate"] / best["apply"],
                "pillow_ratio": best["pillow"] / best["apply"],
                "skimage_ratio": best["skimage"] / best["apply"],
                "project_over_apply": best["project"] / best["apply"],
                "two_threads_wall_ratio": alone / together,
                "cpu_s": {name: round(value, 4) for name, value in best.items()},
                "case": f"{BANDS} x {SIDE} x {SIDE} float32, bicubic x{SCALE}",
                "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
                "versions": versions,
            }
        )
    )


def _cpu(run: Callable[[], object]) -> float:
    """Give the CPU seconds of this process for one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def _threads(run: Callable[[], object]) -> tuple[float, float]:
    """Give the wall seconds of one thread and of two, the best of rounds in turn."""
    best = {1: float("inf"), 2: float("inf")}
    for _ in range(ROUNDS):
        for number in best:
            torch.set_num_threads(number)
            start = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - start)
    torch.set_num_threads(1)
    return best[1], best[2]


if __name__ == "__main__":
    main()
