"""Forecast against outcome of one upscale, in one run: CPU seconds and peak memory of a child process, one thread.

A made satellite scene of 4 bands, EDSR of 8 blocks of 32 with random weights, interval written. Sides can be given:
`python bench/forecast.py --height 1700 --width 1500 --bands 3 --tile 256`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))


def scene(path: Path, bands: int, height: int, width: int) -> None:
    """Write waves and noise as reflectance in 16 bits."""
    from made_scenes import write_tiff

    rows, cols = np.arange(height)[:, None], np.arange(width)[None]
    waves = 2000 + 800 * np.sin(rows / 7.0) * np.cos(cols / 9.0)
    rng = np.random.default_rng(0)
    pixels = np.stack([waves + rng.normal(0, 120, (height, width)) for _ in range(bands)]).clip(1, 9000).astype(np.uint16)

    def declare(dataset: object) -> None:
        dataset.scales = (1e-4,) * bands  # type: ignore[attr-defined]

    write_tiff(path, pixels, nodata=0, edit=declare, tiled=True, blockxsize=512, blockysize=512)


def child(folder: Path, tile: int | None, precision: str) -> None:
    """Forecast, then upscale, and print both as one JSON line."""
    import torch

    from domains.satellite.domain import DOMAIN
    from sr_core.log import Silent
    from sr_core.stages.forecast import forecast, measure_pace
    from sr_core.stages.restore import Restorer
    from sr_core.stages.upscale import upscale

    torch.set_num_threads(1)
    sources, _ = DOMAIN.discover([folder / "scene.tif"], Silent())
    restorer = Restorer(folder / "bundle", precision, tile=tile)
    with DOMAIN.open(sources[0]) as opened:
        pace = measure_pace(DOMAIN, opened, restorer)
    said = forecast(DOMAIN, sources[0], restorer, folder / "sr.tif", pace)
    before = resource.getrusage(resource.RUSAGE_SELF)
    made = upscale(DOMAIN, sources[0], restorer, folder / "sr.tif", log=Silent())
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    files = sum(file.path.stat().st_size for file in made.files)
    print(json.dumps({"forecast": json.loads(said.model_dump_json()), "cpu_s": cpu, "peak_bytes": after.ru_maxrss * 1024, "files": files}))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("height", 1800), ("width", 1600), ("bands", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--tile", type=int)
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--child", type=Path)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.tile, given.precision)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        from made_bundle import make_bundle

        scene(folder / "scene.tif", given.bands, given.height, given.width)
        make_bundle(folder / "bundle", "reflectance", width=32, blocks=8, linear_taps=9, precision=given.precision)
        command = [sys.executable, __file__, "--child", name, "--precision", given.precision]
        command += ["--tile", str(given.tile)] if given.tile else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    outcome = json.loads(done.stdout.strip().splitlines()[-1])
    said = outcome.pop("forecast")
    values = {f"forecast_{key}": value for key, value in said.items()} | {f"outcome_{key}": value for key, value in outcome.items()}
    values["cpu_ratio"] = said["cpu_seconds"] / outcome["cpu_s"]
    values["memory_ratio"] = said["peak_bytes"] / outcome["peak_bytes"]
    values["peak_gib"] = outcome["peak_bytes"] / 2**30
    values["disk_ratio"] = said["output_bytes"] / outcome["files"]
    values["cpu_error"] = abs(values["cpu_ratio"] - 1)
    values["memory_error"] = abs(values["memory_ratio"] - 1)
    print(json.dumps(values))


if __name__ == "__main__":
    main()
