"""PSNR over bicubic on held-back groups, x2: EDSR 8x32 over the fitted linear filter, and the filter alone. CPU time, one thread.

The fitted filter is the baseline that counts. Each row has one training set and one held-back group; every seed is one training.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from held_back import case_of, gains, manifest_of, there, trained

from sr_core.workspace import Workspace

STEPS = 800  # of 2 CPU minutes
ROWS = {f"{case}-{operator}": (case, operator) for case, operator in (
    ("ct", "mtf"), ("satellite", "mtf"), ("ct", "bicubic"), ("satellite", "bicubic"), ("mr", "bicubic"),
)}  # fmt: skip


def main() -> int:
    """Print one JSON line; one a training on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting of the recipe")
    given = parser.parse_args()
    if not there():
        return 2
    torch.set_num_threads(1)
    settings: dict[str, object] = {"training.steps": given.steps} | dict(setting.split("=", 1) for setting in given.set)
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, workspace = Path(name), Workspace(Path(name) / "workspace")
        for row in given.rows:
            runs = []
            case = case_of(ROWS[row][0])
            manifest = manifest_of(case, 2, folder / row)
            for seed in given.seeds:
                restorer, seconds = trained(case, manifest, settings | {"operator": ROWS[row][1], "seed": seed}, workspace)
                runs.append(gains(case, manifest, restorer) | {"training_cpu_s": seconds})
                print(json.dumps({"row": row, "seed": seed, **settings, **runs[-1]}), file=sys.stderr, flush=True)
            values |= {f"{row}_{key}": float(np.mean([run[key] for run in runs])) for key in runs[0]}
            over = [run["network"] - run["filter"] for run in runs]
            values |= {f"{row}_over_filter": float(np.mean(over)), f"{row}_over_filter_least": min(over)}
            values[f"{row}_spread"] = float(np.ptp([run["network"] for run in runs]))
    print(json.dumps({"seeds": given.seeds, **settings, **values}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
