"""Bicubic on Set5 under the published protocol: the largest difference to the printed means. Needs Set5 (SR_DATA)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from domains.photo.benchmark import find_sets, read_uint8
from sr_core.log import Silent
from sr_core.stages.benchmark import benchmark, means
from sr_core.stages.upscalers import Interpolation

SCALES = (2, 3, 4)
HERE = Path(__file__).resolve().parent


def main() -> int:
    """Print one JSON line."""
    data = Path(os.environ.get("SR_DATA", HERE.parent.parent / "shared" / "data"))
    folder = data / "sr_test" / "Set5"
    if len(sorted(folder.glob("*.png"))) != 5:
        print(f"no Set5 of five pictures below {data}; set SR_DATA to the folder that holds sr_test/Set5.", file=sys.stderr)
        return 2
    values: dict[str, float] = {}
    worst = 0.0
    for scores in benchmark(find_sets([folder], SCALES, Silent()), [Interpolation("bicubic")], read_uint8, log=Silent()):
        mean = means(scores.scores[0])["PSNR"].value
        printed = next(row.psnr_db for row in scores.published if row.method == "Bicubic")
        values[f"x{scores.scale}_db"] = mean
        worst = max(worst, abs(mean - printed))
    print(json.dumps({**values, "worst_difference_db": worst}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
