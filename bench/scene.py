"""A scene as wide as a Sentinel-2 tile, from GeoTIFF to COG, interval COG, STAC item and verdict: peak memory, time, share of the network.

The scene is made by script: 4 bands of 16 bits, 10,980 px wide, placed, with an edge without data. EDSR of 8 blocks of 32 with random
weights runs at x2 in a child process of one thread. `share` is the CPU time of the upscale, checks and all, over that of the network with
its spread head on as many pixels; the network is timed on a strip of the scene's width, before and after, and multiplied. `peak_gb` is
the peak of the resident memory over all steps; `<step>_gb` is that of each step.

    python bench/scene.py [--rows 2000] [--full] [--folder DIR]

`--full` is the whole tile of 10,980 x 10,980 px: most of an hour on one core, and 20 GB of disk in the folder while it runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]

SIDE, BANDS, SCALE = 10_980, 4, 2
STRIP = 128  # rows that the network alone is timed on
MADE_ROWS = 512  # rows that are made at once
NAMES = ("B02", "B03", "B04", "B08")


def make_scene(path: Path, rows: int) -> None:
    """Write the scene by rows of blocks: waves and noise of reflectance, nodata 0 in the last columns."""
    import rasterio
    from affine import Affine
    from rasterio.windows import Window

    rng, cols = np.random.default_rng(0), np.arange(SIDE)[None]
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=SIDE, count=BANDS, dtype="uint16", nodata=0, crs="EPSG:32632", tiled=True,
        blockxsize=512, blockysize=512, compress="DEFLATE", zlevel=1, predictor=2, transform=Affine(10, 0, 6e5, 0, -10, 5.1e6),
    ) as dataset:  # fmt: skip
        dataset.descriptions, dataset.scales = NAMES, (1e-4,) * BANDS
        for row in range(0, rows, MADE_ROWS):
            height = min(MADE_ROWS, rows - row)
            waves = 2000 + 800 * np.sin(np.arange(row, row + height)[:, None] / 7.0) * np.cos(cols / 9.0)
            for band in range(BANDS):
                pixels = (waves * (1 + band / 4) + rng.normal(0, 60, waves.shape)).clip(1, 9000).astype(np.uint16)
                pixels[:, SIDE - 300 :] = 0
                dataset.write(pixels, band + 1, window=Window(0, row, SIDE, height))


class Peaks:
    """The peak of the resident memory in each step of a process (Linux: the kernel's own mark, taken back at each step)."""

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}

    def step(self, name: str) -> None:
        """End a step: note its peak, and begin anew."""
        status = Path("/proc/self/status").read_text()
        self.bytes[name] = int(status.split("VmHWM:")[1].split()[0]) << 10
        Path("/proc/self/clear_refs").write_text("5")

    def after(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Give the same work, which ends a step."""

        def worked(*values: Any) -> Any:
            made = work(*values)
            self.step(name)
            return made

        return worked


def child(folder: Path) -> None:
    """Upscale, and print figures as one JSON line."""
    import torch
    from rio_cogeo import cog_validate

    from domains.satellite.domain import DOMAIN
    from domains.satellite.write import CogWriter
    from sr_core.inference.predictor import fed_rows
    from sr_core.inference.stream import NetFlow
    from sr_core.log import Silent
    from sr_core.stages import upscale as stage
    from sr_core.stages.restore import Restorer

    torch.set_num_threads(1)
    peaks = Peaks()
    (source,), _ = DOMAIN.discover([folder / "scene.tif"], Silent())
    peaks.step("reading")
    restorer = Restorer(folder / "bundle")
    y = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, STRIP, SIDE)).astype(np.float32))

    def network() -> None:
        with torch.inference_mode():
            flow = NetFlow(restorer.predictor.net, restorer.predictor.precision, spread=True)
            for row in range(0, STRIP, step := fed_rows(SIDE)):
                flow.feed(y[:, :, row : row + step], row + step >= STRIP)

    def whole() -> Any:
        return stage.upscale(DOMAIN, source, restorer, folder / "sr.tif", log=Silent(), residual=False)

    network()  # kernels are built
    before, _ = _timed(network)
    peaks.step("network")
    stage._fill, stage._judge = peaks.after("filling", stage._fill), peaks.after("checking", stage._judge)  # type: ignore[assignment]
    finish = CogWriter.finish
    CogWriter.finish = lambda self, verdict: peaks.after("finishing", partial(finish, self))(verdict)  # type: ignore[method-assign]
    start = time.monotonic()
    upscale_s, made = _timed(whole)
    wall = time.monotonic() - start
    after, _ = _timed(network)
    network_s = (before + after) / 2 * BANDS * source.shape[1] / STRIP
    files = {file.role: file.path for file in made.files}
    valid = all(cog_validate(str(files[role]), quiet=True)[0] for role in ("image", "interval"))
    print(
        json.dumps(
            {
                "rows": source.shape[1], "upscale_cpu_s": upscale_s, "upscale_wall_s": wall, "network_cpu_s": network_s,
                "share": upscale_s / network_s, "peak_gb": max(peaks.bytes.values()) / 1e9, "valid": float(valid),
                "checks": sum(check.outcome != "skipped" for check in made.verdict.checks),
                "output_gb": sum(path.stat().st_size for path in files.values()) / 1e9,
                **{f"{name}_gb": value / 1e9 for name, value in peaks.bytes.items()},
            }
        )
    )  # fmt: skip


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--full", action="store_true", help=f"all {SIDE} rows")
    parser.add_argument("--folder", type=Path, help="where the files are made, and removed again")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        from made_bundle import make_bundle

        make_scene(Path(name) / "scene.tif", SIDE if given.full else given.rows)
        make_bundle(Path(name) / "bundle", "reflectance", width=32, blocks=8, linear_taps=9)
        done = subprocess.run([sys.executable, __file__, "--child", name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    print(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
