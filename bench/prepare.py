"""Preparing one large scene through the satellite domain: peak memory, size of the shard, rate relative to a plain copy.

The scene is an uncompressed tiled GeoTIFF, uint16, 4 bands, made by a seed. `rate_ratio` is the time of `prepare` over the time of
reading the scene's pixels (by tiles) and writing the pairs' bytes (with fsync), in the same run: each in a process of its own, in
turn, the best of three.
`cpu_ratio` is the same of CPU time: a busy machine disturbs it less.

    python bench/prepare.py            4,096 px a side
    python bench/prepare.py --full     10,980 px a side, a whole Sentinel-2 tile; needs 3.5 GB where temporary files go
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window as FileWindow

from domains.satellite.domain import DOMAIN
from domains.satellite.header import gdal_settings
from domains.satellite.read import examine
from sr_core.log import Silent
from sr_core.raster import Window, windows
from sr_core.records import Manifest, ManifestRef, Region, Source, Split
from sr_core.stages.ingest import MANIFEST
from sr_core.stages.prepare import prepare
from sr_core.workspace import Workspace

BANDS, TILE, SCALE, FULL = 4, 512, 2, 10_980
ROUNDS = 3
COPY = "copy.bin"


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="sides of the scene, px")
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} px")
    parser.add_argument("--child", choices=("prepare", "copy"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return _prepare(given.folder) if given.child == "prepare" else _copy(given.folder, given.size)
    size = FULL if given.full else given.size
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _scene(folder / "scene.tif", size)
        source, _ = examine(folder / "scene.tif")
        _manifest(folder / "manifest", source)
        made, copies = [], []
        for _ in range(ROUNDS):
            made.append(_child("prepare", folder, size))
            shutil.rmtree(folder / "workspace")
            copies.append(_child("copy", folder, size))
            (folder / COPY).unlink()  # both find the memory of the other's file free
    prepare_s, prepare_cpu_s = (min(m[what] for m in made) for what in ("seconds", "cpu_s"))
    copy_s, copy_cpu_s = (min(c[what] for c in copies) for what in ("seconds", "cpu_s"))
    print(
        json.dumps(
            {
                "size_px": size, "bands": BANDS, "peak_rss_mib": max(m["peak_rss_mib"] for m in made),
                "file_over_pixels": made[0]["bytes"] / _pixels(size), "pairs": made[0]["pairs"], "prepare_s": prepare_s,
                "prepare_cpu_s": prepare_cpu_s, "copy_s": copy_s, "copy_cpu_s": copy_cpu_s, "rate_ratio": prepare_s / copy_s,
                "cpu_ratio": prepare_cpu_s / copy_cpu_s,
            }
        )
    )  # fmt: skip


def _pixels(size: int) -> int:
    """Bytes of the pairs."""
    return BANDS * 2 * (size // SCALE) ** 2 * (SCALE**2 + 1)


def _child(what: str, folder: Path, size: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", what, "--folder", str(folder), "--size", str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | _path())
    made: dict[str, float] = json.loads(done.stdout)
    return made


def _tell(start: float, busy: float, **more: float) -> None:
    """Print seconds and CPU seconds since, and the peak of memory."""
    seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "peak_rss_mib": peak} | more))


def _path() -> dict[str, str]:
    """Let the child import what this process imports."""
    return {"PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])}


def _scene(path: Path, size: int) -> None:
    """Write waves and noise tile by tile; digital numbers 500 to 4,500."""
    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff", "width": size, "height": size, "count": BANDS, "dtype": "uint16", "nodata": 0, "tiled": True,
        "blockxsize": TILE, "blockysize": TILE, "crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, 10, 10),
    }  # fmt: skip
    with gdal_settings(), rasterio.open(path, "w", **profile) as file:
        for w in windows(size, size, TILE):
            rows, cols = np.mgrid[w.row : w.row + w.height, w.col : w.col + w.width]
            wave = 2500 + 1500 * np.sin(rows / 37) * np.cos(cols / 53)
            pixels = wave + rng.integers(-500, 500, (BANDS, w.height, w.width))
            file.write(pixels.astype(np.uint16), window=FileWindow(w.col, w.row, w.width, w.height))


def _manifest(folder: Path, source: Source) -> None:
    """Make the whole scene the only training region."""
    region = Region(source=source.sha256, window=Window(0, 0, *source.shape[1:]), group=source.group)
    split = Split(train=(region,), val=(), calibration=(), test=())
    manifest = Manifest(domain=DOMAIN.name, scale=SCALE, gap=0, seed=0, sources=(source,), refusals=(), split=split)
    folder.mkdir()
    (folder / MANIFEST).write_text(manifest.to_json())


def _prepare(folder: Path) -> None:
    manifest = Manifest.from_json((folder / "manifest" / MANIFEST).read_text(), "manifest")
    ref = ManifestRef(path=folder / "manifest", hash=manifest.content_hash())
    importlib.import_module("sr_core.stages.cutting")  # loading torch is not preparing
    DOMAIN.operators()[DOMAIN.recipe().operator](SCALE).describe()
    start, busy = time.perf_counter(), time.process_time()
    store = prepare(DOMAIN, ref, recipe=DOMAIN.recipe(), workspace=Workspace(folder / "workspace"), log=Silent())
    _tell(start, busy, bytes=sum(path.stat().st_size for path in store.path.glob("*.h5")), pairs=store.train_pairs)


def _copy(folder: Path, size: int) -> None:
    """Read every pixel by tiles and write as many bytes as the pairs have to a new file."""
    target, count = folder / COPY, _pixels(size)
    start, busy = time.perf_counter(), time.process_time()
    written = 0
    with gdal_settings(), rasterio.open(folder / "scene.tif") as file, target.open("wb") as out:
        for w in windows(file.height, file.width, TILE):
            data = file.read(window=FileWindow(w.col, w.row, w.width, w.height))
            out.write(data.data)
            written += data.nbytes
        while written < count:
            part = data.reshape(-1).view(np.uint8)[: count - written]
            out.write(part.data)
            written += part.nbytes
        out.flush()
        os.fsync(out.fileno())
    _tell(start, busy)


if __name__ == "__main__":
    main()
