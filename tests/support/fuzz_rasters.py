"""Sound small GeoTIFFs with a few bytes changed, sent through the reader: what it does with each of them.

`python tests/support/fuzz_rasters.py FIRST COUNT [FOLDER]` runs cases in this process, says a line before each (so that one that
kills the process is known), and keeps in FOLDER what went wrong. A case is its number: the same bytes every time.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path

import numpy as np
from affine import Affine
from made_scenes import write_tiff
from rasterio.enums import ColorInterp

from sr_core.errors import SRError

SECONDS = 20  # that a case may take
MEMORY = 400 << 10  # KiB that a case may add to the most this process has held
EXTREMES = (0, 1, 2, 3, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1)
PLACE = {"crs": "EPSG:32633", "transform": Affine(10.0, 0.0, 5e5, 0.0, -10.0, 5e6)}


@cache
def seeds() -> tuple[bytes, ...]:
    """Sound files of many kinds: compressions, layouts, types, masks, places, metadata."""
    generator = np.random.default_rng(7)
    stored = generator.integers(1, 4000, (3, 70, 80)).astype(np.uint16)
    bytes_ = (stored // 16 + 1).astype(np.uint8)

    def scaled(dataset: object) -> None:
        dataset.scales, dataset.offsets, dataset.descriptions = (1e-4,) * 3, (-0.1,) * 3, ("B2", "B3", "B4")  # type: ignore[attr-defined]
        dataset.update_tags(SENSOR="MSI", PROCESSING_LEVEL="2A")  # type: ignore[attr-defined]

    def alpha(dataset: object) -> None:
        dataset.colorinterp = (ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha)  # type: ignore[attr-defined]

    kinds: tuple[tuple[np.ndarray, dict[str, object]], ...] = (
        (stored, {"compress": "DEFLATE", "nodata": 0, "edit": scaled, **PLACE}),
        (stored, {"compress": "LZW", "predictor": 2, "tiled": True, "blockxsize": 32, "blockysize": 32, "interleave": "band", **PLACE}),
        (stored.astype(np.float32), {"compress": "ZSTD", "predictor": 3, "nodata": np.nan, **PLACE}),
        (bytes_, {"compress": "JPEG", "photometric": "YCBCR", "tiled": True, "blockxsize": 64, "blockysize": 64}),
        (bytes_, {"compress": "PACKBITS", "edit": alpha}),
        (stored, {"BIGTIFF": "YES", "compress": "LERC"}),
        (bytes_, {"compress": "WEBP", "mask": np.kron(np.eye(2, dtype=bool), np.ones((35, 40), bool)), **PLACE}),
        (stored.astype(np.int16), {"ENDIANNESS": "BIG", "compress": "LZMA", **PLACE}),
        (stored, {}),
    )
    with tempfile.TemporaryDirectory() as folder:
        return tuple(write_tiff(Path(folder) / f"{i}.tif", pixels, **profile).read_bytes() for i, (pixels, profile) in enumerate(kinds))


def case(number: int) -> bytes:
    """Give the bytes of a case: mostly its header and directory are changed, sometimes its pixels or its length."""
    generator = np.random.default_rng(number)
    data = bytearray(seeds()[number % len(seeds())])
    directory, entry = _directory(data)
    for _ in range(int(generator.integers(1, 6))):
        kind = generator.random()
        if kind < 0.45:  # a value of the directory
            at = directory + entry * int(generator.integers(0, 20)) + int(generator.integers(0, entry))
            _put(data, at, bytes([int(generator.integers(0, 256))]))
        elif kind < 0.65:  # a number in the directory
            at = directory + entry * int(generator.integers(0, 20)) + int(generator.choice([0, 2, 4, 8]))
            _put(data, at, struct.pack("<I", EXTREMES[int(generator.integers(0, len(EXTREMES)))]))
        elif kind < 0.9:  # anything
            at = int(generator.integers(4, len(data)))
            _put(data, at, bytes([data[at] ^ (1 << int(generator.integers(0, 8)))]))
        elif kind < 0.95:
            at = int(generator.integers(8, len(data)))
            _put(data, at, generator.bytes(int(generator.integers(1, 200))))
        else:
            del data[int(generator.integers(16, len(data))) :]
            if directory >= len(data):
                directory = 8
    return bytes(data)


def _directory(data: bytes | bytearray) -> tuple[int, int]:
    """Give where the first entry of the first directory lies, and the length of an entry."""
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 43:
        return struct.unpack_from(order + "Q", data, 8)[0] + 8, 20
    return struct.unpack_from(order + "I", data, 4)[0] + 2, 12


def _put(data: bytearray, at: int, what: bytes) -> None:
    data[at : at + len(what)] = what[: max(0, len(data) - at)]


def probe(path: Path) -> str:
    """Send a file through all of the reader and say how it ended; anything but an `SRError` is raised."""
    from domains.satellite.domain import DOMAIN
    from sr_core.log import Silent
    from sr_core.raster import Window

    DOMAIN.recognises(path)
    DOMAIN.provenance(path)
    sources, refusals = DOMAIN.discover([path], Silent())
    if not sources:
        assert "\n" not in refusals[0].sentence and refusals[0].sentence.isprintable(), refusals[0].sentence
        return refusals[0].sentence
    try:
        DOMAIN.facts(sources[0])
        with DOMAIN.open(sources[0]) as scene:
            raster = scene.read(Window(3, 5, 40, 50))
        assert np.isfinite(raster.pixels[:, raster.mask]).all(), "a usable pixel that is no number"
        _written(path, sources[0])
    except SRError as error:
        return str(error)
    return "read"


def _written(path: Path, source: object) -> None:
    """Put what the scene says of itself on an output, as an upscale does before its first pixel."""
    import rasterio

    from domains.satellite.carry import carry_bands, carry_place, carry_radiometry
    from domains.satellite.header import gdal_settings, quiet, read_header
    from domains.satellite.opening import open_file

    with quiet(), open_file(path) as dataset, gdal_settings():
        header = read_header(path, dataset)
        profile = {"count": header.shape[0], "dtype": header.encoding.dtype, "nodata": header.nodata}
        with rasterio.MemoryFile() as memory, memory.open(driver="GTiff", height=8, width=8, **profile) as target:
            carry_place(dataset, target, header, 2)
            carry_bands(dataset, target, header)
            carry_radiometry(dataset, target, header)


def run(first: int, count: int, folder: Path | None) -> int:
    """Run cases and give the number of those that went wrong."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "case.tif"
        for number in range(first, first + count):
            print(number, flush=True)
            path.write_bytes(case(number))
            before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
            signal.alarm(SECONDS)
            fault = ""
            try:
                probe(path)
            except BaseException:
                fault = traceback.format_exc()
            signal.alarm(0)
            if (grown := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) > MEMORY:
                fault += f"{grown >> 10} MiB more"
            if fault:
                wrong += 1
                print(f"case {number} after {time.monotonic() - began:.1f} s: {fault}", file=sys.stderr, flush=True)
                if folder is not None:
                    (folder / f"{number}.tif").write_bytes(path.read_bytes())
    return wrong


if __name__ == "__main__":
    sys.exit(min(100, run(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)))
