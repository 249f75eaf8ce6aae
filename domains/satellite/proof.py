"""Whether a finished GeoTIFF states what it must: read again from the disk, as a stranger would read it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domains.satellite.checks.geometry import TOLERANCE_PX, beside
from domains.satellite.header import gdal_settings, quiet
from domains.satellite.opening import open_file
from sr_core.errors import OutputError
from sr_core.raster import Transform


def require_as_stated(
    place: Path, source: Any, scale: int, *, scales: Sequence[float], offsets: Sequence[float], nodata: float | None
) -> None:
    """Refuse a file that lies elsewhere than its source, or whose stored values would be read as other values.

    Parameters
    ----------
    place : the file, closed.
    source : the input, opened.
    scale : pixels of the file per pixel of the source, each way.
    scales, offsets : what turns the stored values of the first bands into physical ones.
    nodata : stored value of nodata, or None.

    Raises
    ------
    OutputError
        With what the file states otherwise.
    """
    with gdal_settings(), quiet(), open_file(place) as found:
        away = _beside_its_place(source, found, scale)
        wrong = [
            what
            for what, same in (
                (f"lies {away:.3g} px beside its place", away <= TOLERANCE_PX),
                ("is in another coordinate system", found.crs == source.crs),
                (f"has {len(found.gcps[0])} ground control points", len(found.gcps[0]) == len(source.gcps[0])),
                (f"declares the scale factors {found.scales}", _equal(found.scales, scales)),
                (f"declares the offsets {found.offsets}", _equal(found.offsets, offsets)),
                (f"declares the nodata value {found.nodata}", _equal([found.nodata], [nodata])),
            )
            if not same
        ]
    if wrong:
        raise OutputError(f"{place.name} {' and '.join(wrong)}", "what its input states", "Report this with the input file.")


def _beside_its_place(source: Any, found: Any, scale: int) -> float:
    """Give how far corners lie beside where they should, px of the file; without a transform in the source there must be none."""
    if source.transform.is_identity:
        return 0.0 if found.transform.is_identity else math.inf
    lr, hr = (_transform(dataset) for dataset in (source, found))
    return beside(lr, hr, (scale, scale), (found.height, found.width))


def _transform(dataset: Any) -> Transform:
    a, b, c, d, e, f, *_ = (float(number) for number in dataset.transform)
    return a, b, c, d, e, f


def _equal(found: Sequence[float | None], given: Sequence[float | None]) -> bool:
    """Compare numbers one by one, as many as are given; NaN is like NaN."""
    return len(found) >= len(given) and all(
        one == other or (one is not None and other is not None and math.isnan(one) and math.isnan(other))
        for one, other in zip(found, given, strict=False)
    )
