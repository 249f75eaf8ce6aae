"""What papers print for the common benchmark sets, under the protocol of `classical`: facts only, each with its source.

References
----------
dai2019: T. Dai, J. Cai, Y. Zhang, S.-T. Xia, L. Zhang, Second-order attention network for single image super-resolution, CVPR 2019; its
tables hold the figures of the other methods, too. dong2016: C. Dong, C. C. Loy, K. He, X. Tang, Image super-resolution using deep
convolutional networks, IEEE TPAMI 38 (2016), doi:10.1109/TPAMI.2015.2439281.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sr_core.records import Record

FACTS = Path(__file__).with_name("published.csv")
SOURCES = {"dai2019": "Dai et al., CVPR 2019", "dong2016": "Dong et al., IEEE TPAMI 2016"}


@dataclass(frozen=True)
class KnownSet:
    """A benchmark set that papers measure on: its name there, and how many pictures it has."""

    name: str
    pictures: int


KNOWN = {
    "set5": KnownSet("Set5", 5),
    "set14": KnownSet("Set14", 14),
    "bsd100": KnownSet("BSD100", 100),
    "b100": KnownSet("BSD100", 100),
    "bsds100": KnownSet("BSD100", 100),
    "urban100": KnownSet("Urban100", 100),
    "manga109": KnownSet("Manga109", 109),
}


class Published(Record):
    """One printed row: means over a set. What the source does not print is None.

    Attributes
    ----------
    method, scale, dataset : whose figures, and of what.
    psnr_db, ssim, ifc, nqm_db, wpsnr_db, msssim : as printed.
    source : the paper, short; note : what a reader should know of the figure, or "".
    """

    method: str
    scale: int
    dataset: str
    psnr_db: float
    ssim: float
    ifc: float | None = None
    nqm_db: float | None = None
    wpsnr_db: float | None = None
    msssim: float | None = None
    source: str
    note: str = ""


def known_set(name: str) -> KnownSet | None:
    """Give the set that a folder's name means ("Set5", "B100", "Urban-100"), or None."""
    return KNOWN.get("".join(letter for letter in name.lower() if letter.isalnum()))


def published(dataset: str, scale: int, six: bool = False) -> tuple[Published, ...]:
    """Give the printed rows of a set and scale; with `six`, those of all six figures, else those of PSNR and SSIM."""
    return tuple(row for row in _rows() if (row.dataset, row.scale, row.ifc is not None) == (dataset, scale, six))


@lru_cache(maxsize=1)
def _rows() -> tuple[Published, ...]:
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = [{name: text for name, text in row.items() if text} for row in csv.DictReader(file)]
    return tuple(Published.model_validate({**row, "source": SOURCES[row["source"]]}) for row in rows)
