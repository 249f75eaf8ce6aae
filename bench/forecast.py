"""Forecast against outcome of one upscale, in one run: CPU seconds and peak memory of a child process, one thread.

A made image, by default a satellite scene of 4 bands; EDSR of 8 blocks of 32 with random weights; the interval is written. Other cases:
`python bench/forecast.py --height 1700 --width 1500 --bands 3 --tile 256`, `--domain photo --bands 3`, `--domain medical --bands 30`.
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


def texture(bands: int, height: int, width: int) -> np.ndarray:
    """Give waves and noise, 1 to 9000."""
    rows, cols = np.arange(height)[:, None], np.arange(width)[None]
    waves = 2000 + 800 * np.sin(rows / 7.0) * np.cos(cols / 9.0)
    rng = np.random.default_rng(0)
    return np.stack([waves + rng.normal(0, 120, (height, width)) for _ in range(bands)]).clip(1, 9000)


def satellite(folder: Path, bands: int, height: int, width: int) -> Path:
    """Write a scene of reflectance in 16 bits."""
    from made_scenes import write_tiff

    def declare(dataset: object) -> None:
        dataset.scales = (1e-4,) * bands  # type: ignore[attr-defined]

    path, pixels = folder / "scene.tif", texture(bands, height, width).astype(np.uint16)
    write_tiff(path, pixels, nodata=0, edit=declare, tiled=True, blockxsize=512, blockysize=512)
    return path


def photo(folder: Path, bands: int, height: int, width: int) -> Path:
    """Write a PNG of 8 bits."""
    from PIL import Image

    path, pixels = folder / "picture.png", (texture(bands, height, width) / 36).astype(np.uint8)
    Image.fromarray(np.moveaxis(pixels, 0, -1) if bands > 1 else pixels[0]).save(path)
    return path


def medical(folder: Path, slices: int, height: int, width: int) -> Path:
    """Write a CT series like a slice that comes with pydicom."""
    from pydicom import dcmread, dcmwrite
    from pydicom.data import get_testdata_file

    place = folder / "series"
    place.mkdir()
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    for number, pixels in enumerate(texture(slices, height, width).astype(np.int16)):
        dataset.Rows, dataset.Columns, dataset.PixelData = height, width, pixels.tobytes()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.{number + 1}"
        dataset.InstanceNumber, dataset.ImagePositionPatient = number + 1, [0, 0, 5.0 * number]
        dcmwrite(place / f"{number:04d}.dcm", dataset, enforce_file_format=True)
    return place


MADE = {"satellite": (satellite, "reflectance", "sr.tif"), "photo": (photo, "grey level", "sr.png"), "medical": (medical, "HU", "sr")}


def child(folder: Path, path: Path, given: argparse.Namespace) -> None:
    """Forecast, then upscale, and print both as one JSON line."""
    import torch

    from flows.domains import load_domain
    from sr_core.log import Silent
    from sr_core.stages.forecast import forecast, measure_pace
    from sr_core.stages.restore import Restorer
    from sr_core.stages.upscale import upscale

    torch.set_num_threads(1)
    domain, target = load_domain(given.domain, upscaling_only=True), folder / MADE[given.domain][2]
    sources, refusals = domain.discover([path], Silent())
    if not sources:
        raise SystemExit(refusals[0].sentence)
    restorer = Restorer(folder / "bundle", given.precision, tile=given.tile)
    with domain.open(sources[0]) as opened:
        pace = measure_pace(domain, opened, restorer)
    said = forecast(domain, sources[0], restorer, target, pace)
    before = resource.getrusage(resource.RUSAGE_SELF)
    made = upscale(domain, sources[0], restorer, target, log=Silent())
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    files = sum(path.stat().st_size for path in {f for m in made.files for f in ([m.path] if m.path.is_file() else m.path.iterdir())})
    print(json.dumps({"forecast": json.loads(said.model_dump_json()), "cpu_s": cpu, "peak_bytes": after.ru_maxrss * 1024, "files": files}))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("height", 1800), ("width", 1600), ("bands", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--tile", type=int)
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--domain", default="satellite", choices=MADE)
    parser.add_argument("--child", nargs=2, type=Path)
    given = parser.parse_args()
    if given.child:
        child(*given.child, given)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        from made_bundle import make_bundle

        make, unit, _ = MADE[given.domain]
        path = make(folder, given.bands, given.height, given.width)
        make_bundle(folder / "bundle", unit, width=32, blocks=8, linear_taps=9, precision=given.precision)
        command = [sys.executable, __file__, *sys.argv[1:], "--child", name, str(path)]
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
