"""Bicubic x4 down against torch's antialiased interpolate: CPU time on one thread, alternated in one run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch

from sr_core.operators import make_operator

ROUNDS = 7


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    image = torch.rand(4, 2048, 2048)
    operator = make_operator("bicubic", 4)
    y = operator.apply(image)
    peers: dict[str, Callable[[], object]] = {
        "apply": lambda: operator.apply(image),
        "interpolate": lambda: torch.nn.functional.interpolate(image[None], scale_factor=0.25, mode="bicubic", antialias=True),
        "project": lambda: operator.project(image, y),
    }
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(ROUNDS):
        for name, run in peers.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    print(json.dumps({"apply_ratio": best["interpolate"] / best["apply"], "project_over_apply": best["project"] / best["apply"]}))


if __name__ == "__main__":
    main()
