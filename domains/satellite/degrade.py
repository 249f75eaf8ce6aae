"""Known degradations of satellite imagery.

References
----------
C. Lanaras, J. Bioucas-Dias, E. Baltsavias, K. Schindler, "Super-resolution of multispectral multiresolution images from a single
sensor", CVPR Workshops 2017; the values stand in the authors' code (github.com/lanha/SupReME, `ms_fusion_apex.m`), which gives them for
Sentinel-2 as a whole: none were found for each satellite, or along and across the track.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domains.common.degrade import bicubic, box
from domains.satellite.band_names import sentinel2_number
from sr_core.errors import RecipeError

if TYPE_CHECKING:
    from sr_core.operators import Operator

# MTF at the Nyquist frequency of each band's own pixels (10, 20 or 60 m). There is none for B10.
SENTINEL2 = {
    "B1": 0.32, "B2": 0.26, "B3": 0.28, "B4": 0.24, "B5": 0.38, "B6": 0.34, "B7": 0.34, "B8": 0.26, "B8A": 0.33, "B9": 0.26, "B11": 0.22,
    "B12": 0.23,
}  # fmt: skip
SENTINEL2_10M = ("B2", "B3", "B4", "B8")  # in the order in which their files are stacked

# Where one value stands for all bands: near to those of Sentinel-2.
MTF_AT_NYQUIST = 0.25

# Assumed for Landsat 8 and 9 OLI: no published value per band was found.
LANDSAT_OLI = 0.30


def mtf(scale: int) -> Operator:
    """Gaussian sensor blur with a value of 0.25 at the LR Nyquist frequency, then decimation."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=MTF_AT_NYQUIST)


def sentinel2_10m(scale: int) -> Operator:
    """Sensor blur of Sentinel-2's 10 m bands, each with its own: for images of these four in this order, whatever their names."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=[SENTINEL2[band] for band in SENTINEL2_10M])


def landsat_oli(scale: int) -> Operator:
    """Sensor blur of Landsat's OLI, any bands: an assumed value of 0.30 at the LR Nyquist frequency."""
    from sr_core.operators import make_operator

    return make_operator("mtf", scale, value=LANDSAT_OLI)


@dataclass(frozen=True)
class SensorBlur:
    """Sensor blur with the value of each band, which is known by name (see `sr_core.domain.ByBandName`).

    Attributes
    ----------
    sensor : its name, for people.
    values : MTF at the Nyquist frequency by the sensor's own band names.
    number : from what a file calls a band to the sensor's own name; None where it is none of the sensor's.
    """

    sensor: str
    values: Mapping[str, float]
    number: Callable[[str], str | None]

    @property
    def names(self) -> tuple[str, ...]:
        """Bands that it knows, by the sensor's own names."""
        return tuple(self.values)

    def __call__(self, scale: int) -> Operator:
        """Refuse: which bands an image has must be known.

        Raises
        ------
        RecipeError
            Always.
        """
        raise RecipeError(
            f"the sensor blur of {self.sensor} without bands", "the names of the bands", "Give the names of the image's bands, too."
        )

    def for_names(self, scale: int, bands: Sequence[str]) -> Operator:
        """Make it for images of these bands, in this order.

        Raises
        ------
        RecipeError
            If a band is not one of the sensor's for which a value is published.
        """
        from sr_core.operators import make_operator

        named = [self.number(band) for band in bands]
        unknown = [band for band, name in zip(bands, named, strict=True) if name not in self.values]
        if unknown or not bands:
            raise RecipeError(
                f"bands named {', '.join(bands) or 'nothing'}, and the sensor blur of {self.sensor}",
                f"names of bands with a published value: {', '.join(self.names)}",
                f"Name the bands in the file, or choose the operator mtf: nothing is known of {', '.join(unknown) or 'them'}.",
            )
        return make_operator("mtf", scale, value=[self.values[name] for name in named if name is not None])


OPERATORS: dict[str, Callable[[int], Operator]] = {
    "bicubic": bicubic,
    "mtf": mtf,
    "mtf-sentinel-2": SensorBlur("Sentinel-2", SENTINEL2, sentinel2_number),
    "mtf-sentinel2-10m": sentinel2_10m,
    "mtf-landsat-oli": landsat_oli,
    "box": box,
}
