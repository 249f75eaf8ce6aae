"""What each metric costs beside SSIM (torchmetrics' too): CPU time on one thread, alternated in one run, 3 x 512 x 512 float64."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.ndimage
import torch
import torchmetrics

from sr_core import metrics

ROUNDS = 3
METRICS = (
    "psnr", "wpsnr", "rmse", "spectral_angle", "uiqi", "q2n", "msssim", "ifc", "nqm", "ring_correlation", "octave_energy",
    "sub_pixel_shift",
)  # fmt: skip


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    hr = 128 + 40 * np.tanh(3 * scipy.ndimage.gaussian_filter(random.normal(size=(3, 512, 512)), (0, 1.5, 1.5)))
    sr = hr + random.normal(0, 4, hr.shape)
    protocol = metrics.Protocol(data_range=255, border=0)
    made, truth = (torch.from_numpy(v)[None] for v in (sr, hr))
    peers: dict[str, Callable[[], object]] = {name: partial(getattr(metrics, name), sr, hr, protocol) for name in ("ssim", *METRICS)}
    peers["ergas"] = lambda: metrics.ergas(sr, hr, protocol, 4)
    peers["torchmetrics_ssim"] = lambda: torchmetrics.functional.image.structural_similarity_index_measure(made, truth, data_range=255.0)
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(ROUNDS):
        for name, run in peers.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    ratios = {f"{name}_over_ssim": round(seconds / best["ssim"], 3) for name, seconds in best.items() if name != "ssim"}
    print(json.dumps({"ssim_s": round(best["ssim"], 4), **ratios, "torchmetrics": torchmetrics.__version__}))


if __name__ == "__main__":
    main()
