"""Bicubic on Set5 under the published protocol: the largest difference to the published means. Needs Set5 (SR_DATA)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from sr_core.metrics import srcnn_protocol

PUBLISHED = {2: 33.66, 3: 30.39, 4: 28.42}
HERE = Path(__file__).resolve().parent


def main() -> int:
    """Print one JSON line."""
    data = Path(os.environ.get("SR_DATA", HERE.parent.parent / "shared" / "data"))
    files = sorted((data / "sr_test" / "Set5").glob("*.png"))
    if len(files) != 5:
        print(
            f"{len(files)} pictures of Set5 below {data}; expected 5. Set SR_DATA to the folder that holds sr_test/Set5.", file=sys.stderr
        )
        return 2
    images = [np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1) for path in files]
    means = {scale: float(np.mean([srcnn_protocol(image, scale).psnr for image in images])) for scale in PUBLISHED}
    values = {f"x{scale}_db": mean for scale, mean in means.items()}
    print(json.dumps({**values, "worst_difference_db": max(abs(means[s] - PUBLISHED[s]) for s in PUBLISHED)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
