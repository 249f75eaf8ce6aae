"""When a scene was taken, from what its file says of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# TIFF's own DateTime is left out: it is the time at which the file was made.
TAGS = (
    "ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "SENSING_TIME", "DATATAKE_1_DATATAKE_SENSING_START", "PRODUCT_START_TIME", "DATETIME",
    "ACQUISITION_DATE", "DATE_ACQUIRED",
)  # fmt: skip
TIME_OF_DAY = "SCENE_CENTER_TIME"  # of Landsat, beside DATE_ACQUIRED
IMAGERY = "IMAGERY"  # where GDAL's drivers put what satellite products say in files beside them
# Names of products and their bands: S2A_MSIL2A_20200115T103409_..., T32TQM_20200115T103409_B02, LC08_L2SP_192028_20200115_20200823_...
SENTINEL2 = re.compile(r"(?:^S2[A-D]_MSIL\w\w|^T\d{2}[A-Z]{3}|^L\w\w_T\d{2}[A-Z]{3}_A\d+)_(\d{8}T\d{6})(?=[_.]|$)")
LANDSAT = re.compile(r"^L[COTEM]\d{2}_\w{4}_\d{6}_(\d{8})_\d{8}(?=_|$)")
FIRST = dt.datetime(1858, 1, 1, tzinfo=dt.UTC)  # no image from the air is older


@dataclass(frozen=True)
class Acquired:
    """The time, or the span in which it lies (UTC)."""

    start: dt.datetime
    end: dt.datetime

    @property
    def properties(self) -> dict[str, object]:
        """Give the properties of a STAC item: `datetime` of a moment; of a span null, with its start and end."""
        if self.start == self.end:
            return {"datetime": stamp(self.start)}
        return {"datetime": None, "start_datetime": stamp(self.start), "end_datetime": stamp(self.end)}


def acquired(dataset: Any, path: Path, now: dt.datetime, known: str | None = None) -> Acquired:
    """Give when a scene was taken: by `known` (ISO 8601), by the file's tags, by its name; else at some time up to now."""
    return next(_said(dataset, path, known), Acquired(FIRST, now))


def stamp(time: dt.datetime) -> str:
    """Give a time as RFC 3339 has it, in UTC."""
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds" if time.microsecond else "seconds").replace("+00:00", "Z")


def _said(dataset: Any, path: Path, known: str | None) -> Iterator[Acquired]:
    texts = [known or ""]
    for tags in (dataset.tags(), dataset.tags(ns=IMAGERY)):
        upper = {key.upper(): str(value).strip() for key, value in tags.items()}
        texts += [_with_time(upper, key) for key in TAGS if upper.get(key)]
    texts += [match[1] for pattern in (SENTINEL2, LANDSAT) if (match := pattern.match(path.name))]
    for text in texts:
        if (time := read_time(text)) is not None:
            yield time


def _with_time(tags: Mapping[str, str], key: str) -> str:
    return f"{tags[key]}T{tags[TIME_OF_DAY]}" if key == "DATE_ACQUIRED" and tags.get(TIME_OF_DAY) else tags[key]


def read_time(text: str) -> Acquired | None:
    """Read an ISO 8601 time, which is in UTC unless it says otherwise, or a date, which is all of that day; None: it is neither."""
    # A fraction of a second has up to seven digits in Landsat's files, and Python reads six.
    plain = re.sub(r"(\.\d{6})\d+", r"\1", text.strip().strip('"').replace("/", "-"))
    try:
        time = dt.datetime.fromisoformat(plain)
    except ValueError:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt.UTC)
    if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", plain):
        return Acquired(time, time + dt.timedelta(days=1) - dt.timedelta(seconds=1))
    return Acquired(time, time)
